import xml.etree.ElementTree as ET

from iciclegcn.report.svg import Drawing, Figure

SVG = "{http://www.w3.org/2000/svg}"


def figure() -> Figure:
    drawing = Drawing(100, 50)
    drawing.line(0, 1.5, 10.126, 2, "f-axis")
    drawing.curve([(0, 0), (1, 2.5)], "f-curve")
    drawing.area([(0, 0), (1, 1), (2, 0)], "f-band")
    drawing.rect(1, 2, 3, -4, "f-bar", opacity=0.5, title="a < b")
    drawing.dot(1, 2, 3, fill="#123456")
    drawing.image(1, 2, 3, "data:image/png;base64,AA==")
    drawing.text(5, 6, "<script>", anchor="end", turned=True)
    return Figure("name", "A & B", "It says 'so'.", drawing)


def test_a_file_is_sound_and_stands_alone() -> None:
    text = figure().standalone()
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert root.findtext(f"{SVG}title") == "A & B"
    assert root.findtext(f"{SVG}desc") == "It says 'so'."
    assert "var(" not in text
    assert root.get("viewBox") == "0 0 100 78"  # the title's line is added


def test_shapes_are_where_they_were_drawn() -> None:
    root = ET.fromstring(figure().standalone())
    shapes = root.find(f"{SVG}g")
    assert shapes is not None
    line, curve, area, rect, dot, image, text = shapes
    assert line.attrib == {"class": "f-axis", "x1": "0", "y1": "1.5", "x2": "10.13", "y2": "2"}
    assert curve.get("points") == "0,0 1,2.5"
    assert area.get("points") == "0,0 1,1 2,0"
    assert (rect.get("height"), rect.get("fill-opacity")) == ("0", "0.5")  # nothing is negative
    assert rect.findtext(f"{SVG}title") == "a < b"
    assert (dot.get("r"), dot.get("fill")) == ("3", "#123456")
    assert image.get("href") == "data:image/png;base64,AA=="
    assert (text.text, text.get("text-anchor")) == ("<script>", "end")


def test_the_page_s_picture_has_a_text_alternative() -> None:
    inline = figure().inline()
    root = ET.fromstring(inline)
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "name-t name-d"
    assert [root[0].get("id"), root[1].get("id")] == ["name-t", "name-d"]
    assert "<style" not in inline  # the page has it, once
