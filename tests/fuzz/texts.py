"""Twenty job files, recipes, lists of cuts and descriptions of models, as people and programs write them."""

from __future__ import annotations

import json

from tests.fuzz.models import SMALL, tiny
from tests.fuzz.videos import Make

HEAD = '[defaults]\nmodel = "tiny.onnx"\n'
"""Of a job file; beside it lie a.mkv, b.mkv, the folder shots of images, and tiny.onnx."""


def _text(text: str) -> Make:
    return text.encode


def _job(more: str, defaults: str = "") -> Make:
    return _text(f"{HEAD}{defaults}\n[[job]]\n{more}\n")


ONE = 'input = "a.mkv"\noutput = "out/{stem}.mkv"\n'
JOB: dict[str, Make] = {
    "one": _job(ONE),
    "two": _job(f'{ONE}\n[[job]]\nname = "second"\ninput = ["b.mkv"]\noutput = "out/{{job}}/{{name}}.mp4"'),
    "pattern": _job('input = "*.mkv"\noutput = "clean/{stem}.mov"'),
    "images": _job('input = "shots"\noutput = "{stem}.mkv"'),
    "preset_archive": _job(ONE, 'preset = "archive"'),
    "preset_web": _job('input = "a.mkv"\noutput = "a.webm"\npreset = "web"'),
    "preset_mezzanine": _job('input = "a.mkv"\noutput = "a.mov"', 'preset = "mezzanine"'),
    "trim_frames": _job(f"{ONE}trim = [1, 4]"),
    "trim_times": _job(f'{ONE}trim = ["0:00.04", ""]'),
    "options": _job(f'{ONE}options = {{preset = "fast", bf = 2, x264-params = "aq-mode=2"}}'),
    "crf_depth_chroma": _job(f'{ONE}encoder = "x265"\ncrf = 30\ndepth = 10\nchroma = "444"'),
    "strength": _job(f"{ONE}strength = 0.5\nprecision = 'f32'\ndevice = 'cpu'"),
    "chunk": _job(f"{ONE}chunk = 120\noverwrite = true"),
    "folders": _text(f'folders = [".", "out"]\n{HEAD}[[job]]\n{ONE}'),
    "list": _job('input = ["a.mkv", "b.mkv", "shots"]\noutput = "{folder}/{stem}.mkv"'),
    "comments": _text(f"# a comment\n\n{HEAD}# another\n[[job]] # a job\n{ONE}\n\t# end\n"),
    "strings": _job("input = '''a.mkv'''\noutput = \"\"\"o\\u0075t.mkv\"\"\""),
    "dotted": _text(f'defaults.model = "tiny.onnx"\ndefaults.crf = 20\n[[job]]\n{ONE}'),
    "inline": _text('defaults = {model = "tiny.onnx"}\njob = [{input = "a.mkv", output = "a.mp4"}]\n'),
    "ffv1": _job(f'{ONE}encoder = "ffv1"\noptions = {{slices = 4}}'),
}

RECIPE: dict[str, Make] = {
    name: _text(text)
    for name, text in {
        "model": 'model = "j4r"\n',
        "lite": 'model = "j4r-lite"\n[schedule]\nsteps = 1\n',
        "paper": 'model = "j4r-paper"\n[clips]\nframes = 2\npatch_px = 16\nbatch = 1\n',
        "footage": 'model = "j4r"\n[footage]\nvideos = "train"\nstills = ""\nvalidation = "val/video"\n',
        "stills": 'model = "j4r"\n[footage]\nvideos = ""\nstills = "train/stills"\n',
        "clips": 'model = "j4r"\n[clips]\nframes = 3\npatch_px = 32\nbatch = 2\nstill_share = 0.25\n',
        "rain": 'model = "j4r"\n[clips]\nrain = "soft"\n',
        "photo": 'model = "j4r"\n[footage]\nstreaks = "streaks"\n[clips]\nrain = "photo"\n',
        "schedule": 'model = "j4r"\n[schedule]\nsteps = 6\nlearning_rate = 1\nwarmup_steps = 3\nema = 0.99\n',
        "checkpoints": 'model = "j4r"\n[schedule]\nvalidate_every_steps = 2\ncheckpoint_every_minutes = 0\n',
        "clipped": 'model = "j4r"\n[schedule]\nclip_norm = inf\n',
        "loss": 'model = "j4r"\n[loss]\n',
        "start": 'model = "j4r-lite"\nstart = "j4r-lite"\n',
        "start_file": 'model = "j4r-lite"\nstart = "best.pt"\n',
        "inline": 'model = "j4r"\nclips = {frames = 3, patch_px = 32}\n',
        "dotted": 'model = "j4r"\nclips.frames = 3\nschedule.steps = 2\n',
        "mark": '\ufeffmodel = "j4r"\n',
        "windows": 'model = "j4r"\r\n[clips]\r\nframes = 3\r\n',
        "comments": '# a recipe\nmodel = "j4r" # best\n\n[schedule] # short\nsteps = 1_000\n',
        "all": 'model = "j4r"\nstart = ""\n[footage]\n[clips]\n[schedule]\n[loss]\n',
    }.items()
}

QPFILE: dict[str, Make] = {
    name: _text(text)
    for name, text in {
        "one": "0 K\n",
        "keys": "0 K\n5 K\n9 K\n",
        "intra": "0 I\n5 I\n",
        "quantizers": "0 I 10\n3 P 20\n5 B 30\n",
        "small": "0 i\n4 b\n5 K\n",
        "unsorted": "9 K\n0 K\n5 K\n",
        "doubled": "5 K\n5 K\n5 I -1\n",
        "comments": "# cuts\n0 K # first\n\n5 K\n",
        "windows": "0 K\r\n5 K\r\n",
        "tabs": "0\tK\n5\tK\t-1\n",
        "spaces": "  0 K  \n   5   K   \n",
        "no_last_end": "0 K\n5 K",
        "empty": "\n",
        "beyond": "0 K\n11 K\n12 K\n4000 K\n",
        "many": "".join(f"{n} K\n" for n in range(12)),
        "mark": "\ufeff0 K\n5 K\n",
        "av1an": json.dumps(
            {"frames": 12, "scenes": [{"start_frame": 0, "end_frame": 5}, {"start_frame": 5}]}
        ),
        "av1an_long": json.dumps(
            {"scenes": [{"start_frame": n, "zone_overrides": None} for n in range(12)]}, indent=1
        ),
        "av1an_empty": '{"scenes": []}',
        "av1an_split": '{"split_scenes": [], "scenes": [{"start_frame": 3}]}',
    }.items()
}


def _sidecar(**changes: object) -> Make:
    return lambda: json.dumps({**json.loads(tiny()[1]), **changes}).encode()


def _trained(**changes: object) -> Make:
    """Beside a safetensors file."""
    return lambda: json.dumps({"config": {**SMALL.to_json(), **changes}, "training": {"steps": 1}}).encode()


JSON: dict[str, Make] = {
    "plain": _sidecar(),
    "more": _sidecar(parameters=10, training={"steps": 1, "hours": 0.5}, config={}),
    "lookahead_0": _sidecar(lookahead=0),
    "multiple_4": _sidecar(multiple=4),
    "multiple_1": _sidecar(multiple=1),
    "halo": _sidecar(halo_px=64),
    "luma": _sidecar(planes="y"),
    "whole_frame": _sidecar(whole_frame=["y_change"]),
    "whole_frames": _sidecar(whole_frame=["y_change", "uv_change"]),
    "whole_state": _sidecar(whole_frame=["state.avg.next"]),
    "whole_unknown": _sidecar(whole_frame=["nothing"]),
    "other_sum": _sidecar(sha256={"onnx": "0" * 64}),
    "no_sum": _sidecar(sha256={}),
    "name": _sidecar(name="é雨\n"),
    "trained": _trained(),
    "trained_two_layers": _trained(gru_layers=2),
    "trained_luma": _trained(planes="y", scale=1),
    "trained_no_bias": _trained(gru_bias=False),
    "trained_background": _trained(output="background"),
    "trained_deeper": _trained(extractor_blocks=2, head_blocks=2),
}
