"""How each container spells a language: Matroska any tag of BCP 47, MP4 and transport streams three letters
of ISO 639-2, QuickTime only the languages that the Macintosh knew."""

from __future__ import annotations

from vsj4r.media.containers import Container


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_THREE_LETTERS = _pairs(
    "aa aar ab abk ae ave af afr ak aka am amh an arg ar ara as asm av ava ay aym az aze ba bak be "
    "bel bg bul bi bis bm bam bn ben bo bod br bre bs bos ca cat ce che ch cha co cos cr cre cs ces "
    "cu chu cv chv cy cym da dan de deu dv div dz dzo ee ewe el ell en eng eo epo es spa et est eu "
    "eus fa fas ff ful fi fin fj fij fo fao fr fra fy fry ga gle gd gla gl glg gn grn gu guj gv glv "
    "ha hau he heb hi hin ho hmo hr hrv ht hat hu hun hy hye hz her ia ina id ind ie ile ig ibo ii "
    "iii ik ipk io ido is isl it ita iu iku ja jpn jv jav ka kat kg kon ki kik kj kua kk kaz kl kal "
    "km khm kn kan ko kor kr kau ks kas ku kur kv kom kw cor ky kir la lat lb ltz lg lug li lim ln "
    "lin lo lao lt lit lu lub lv lav mg mlg mh mah mi mri mk mkd ml mal mn mon mr mar ms msa mt mlt "
    "my mya na nau nb nob nd nde ne nep ng ndo nl nld nn nno no nor nr nbl nv nav ny nya oc oci oj "
    "oji om orm or ori os oss pa pan pi pli pl pol ps pus pt por qu que rm roh rn run ro ron ru rus "
    "rw kin sa san sc srd sd snd se sme sg sag si sin sk slk sl slv sm smo sn sna so som sq sqi sr "
    "srp ss ssw st sot su sun sv swe sw swa ta tam te tel tg tgk th tha ti tir tk tuk tl tgl tn tsn "
    "to ton tr tur ts tso tt tat tw twi ty tah ug uig uk ukr ur urd uz uzb ve ven vi vie vo vol wa "
    "wln wo wol xh xho yi yid yo yor za zha zh zho zu zul "
)
"""ISO 639-1: its two letters and the three of ISO 639-2/T."""

_OTHER_SPELLINGS = _pairs(
    "alb sqi arm hye baq eus bur mya chi zho cze ces dut nld fre fra geo kat ger deu gre ell ice isl "
    "mac mkd mao mri may msa per fas rum ron slo slk tib bod wel cym sve swe "
)
"""Codes of ISO 639-2/B, or QuickTime's own, and of ISO 639-2/T that mean one language."""

_QUICKTIME = (
    "eng fra ger ita dut sve spa dan por nor heb jpn ara fin gre ice mlt tur chi urd hin tha kor lit "
    "pol hun est lav rus per iri alb ron ces slk slv yid mac bul ukr bel uzb kaz aze arm geo mol kir "
    "tgk tuk mon pus kur kas snd tib nep san mar ben asm guj ori mal kan tam tel sin bur khm lao vie "
    "ind tgl may amh tir orm som swa kin run nya mlg epo wel baq cat lat que grn aym tat uig dzo jav "
)
"""What QuickTime's table of languages has, in ffmpeg's spelling."""


def spell_language(tag: str, container: Container) -> str:
    """``tag`` (ISO 639 or BCP 47) as a stream of ``container`` takes it; "" where it has no word for it."""
    if container.languages == "all":
        return tag
    primary = tag.replace("_", "-").split("-")[0].lower()
    code = primary if len(primary) == 3 else _THREE_LETTERS.get(primary, "")
    if container.languages == "three letters":
        return code
    same = [code, _OTHER_SPELLINGS.get(code, ""), *(a for a, b in _OTHER_SPELLINGS.items() if b == code)]
    return next((spelling for spelling in same if spelling in _QUICKTIME.split()), "")
