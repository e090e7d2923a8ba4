"""The XMP packet: that an algorithm made the picture, in the words of the press (IPTC), and our record.

`Iptc4xmpExt:DigitalSourceType` as in IPTC's guidance for generated media. What is read is cut out by pattern:
a stranger's XML is not parsed.
"""

import html
import re

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:darkroom="urn:darkroom:1"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{source_type}"
 xmp:CreatorTool="{tool}"{record}/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""
_SOURCE_TYPE = re.compile(
    r"DigitalSourceType(?:\s*=\s*[\"']|\s+rdf:resource\s*=\s*[\"']|>)\s*([^\"'<\s]{1,200})"
)
_RECORD = re.compile(r"darkroom:record=\"([^\"<]*)\"")


def packet(tool: str, record: str = "") -> str:
    """An XMP packet. `record` is our JSON, for formats that have no text chunk of their own."""
    attribute = f'\n darkroom:record="{html.escape(record)}"' if record else ""
    return _PACKET.format(source_type=SOURCE_TYPE, tool=html.escape(tool), record=attribute)


def source_type(xmp: str) -> str:
    """The digital source type that a packet names, without its address; empty where it names none."""
    found = _SOURCE_TYPE.search(xmp)
    return _unescaped(found[1]).rstrip("/").rpartition("/")[2] if found else ""


def record(xmp: str) -> str:
    """Our JSON from a packet; empty where there is none."""
    found = _RECORD.search(xmp)
    return _unescaped(found[1]) if found else ""


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character's number of thousands of digits
        return ""
