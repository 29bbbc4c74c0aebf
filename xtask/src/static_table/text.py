"""Makes the plain text that `cargo xtask static-table` learns from.

    python3 xtask/src/static_table/text.py SOURCES OUT

SOURCES holds one directory for each source: Debian packages unpacked with `dpkg-deb -x`, and
checkouts of the public repositories in REPOSITORIES at the commits given there. OUT gets one .txt
file for each, with blank lines between paragraphs. docs/evidence/static-embedding.md has every
command. Python's standard library is all that is needed.
"""

import gzip
import html
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

DICTIONARIES = ["dict-gcide", "dict-foldoc", "dict-jargon", "dict-elements"]
HTML_PACKAGES = [
    "anarchism", "apache2-doc", "git-doc", "postgresql-doc-15", "sqlite3-doc", "python3.11-doc",
    "debian-handbook", "stellarium-data",
]
# Textbooks under CC BY 4.0 at these commits (later commits are under other terms).
REPOSITORIES = {
    "osbooks-american-government": "5c90dd7907",
    "osbooks-anatomy-physiology": "b0058a743b",
    "osbooks-astronomy": "63157f370b",
    "osbooks-chemistry-bundle": "32c719622f",
    "osbooks-college-physics-bundle": "f98d7a7921",
    "osbooks-introduction-anthropology": "418eedd9be",
    "osbooks-introduction-philosophy": "d7bd4f0f52",
    "osbooks-introduction-political-science": "4391e659b9",
    "osbooks-introduction-sociology": "d35d5f3bda",
    "osbooks-microbiology": "ecf34dad12",
    "osbooks-principles-economics-bundle": "cd31beb103",
    "osbooks-psychology": "e061043bf2",
    "osbooks-us-history": "046331cfce",
    "osbooks-world-history": "3e17beda91",
    # The World Factbook, CC0.
    "factbook.json": "8662a8b17a",
}


def main(sources, out):
    out.mkdir(parents=True, exist_ok=True)
    seen = set()
    for name, paragraphs in texts(sources):
        kept = list(distinct_prose(paragraphs, seen))
        (out / f"{name}.txt").write_text("\n\n".join(kept) + "\n", encoding="utf-8")
        print(f"{name}: {len(kept)} paragraphs, {sum(map(len, kept)) / 1e6:.1f} MB")


def texts(sources):
    yield "wordnet", wordnet(sources / "wordnet-base")
    for name in DICTIONARIES:
        yield name, dictionary(sources / name)
    for name in HTML_PACKAGES:
        yield name, pages(sources / name)
    yield "manpages", manual(sources / "manpages")
    yield "fortunes", fortunes(sources / "fortunes")
    yield "perl-doc", pod(sources / "perl-doc")
    yield "linux-rst", restructured(sources / "linux-doc-6.1")
    for name in REPOSITORIES:
        read = factbook if name.startswith("factbook") else textbook
        yield name.removesuffix(".json"), read(sources / name)


def distinct_prose(paragraphs, seen):
    """Paragraphs of words, each once over all sources."""
    for text in paragraphs:
        text = text[:3000]
        letters = sum(char.isalpha() or char == " " for char in text)
        prose = len(text) >= 40 and len(text.split()) >= 7 and letters / len(text) >= 0.85
        if prose and text not in seen:
            seen.add(text)
            yield text


def files(directory, wanted):
    return sorted(path for path in directory.rglob("*") if path.is_file() and wanted(path))


def read(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix in (".gz", ".dz") else data).decode("utf-8", "replace")


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


def blocks(text):
    return [one_line(block) for block in re.split(r"\n\s*\n", text)]


def wordnet(directory):
    for path in files(directory, lambda path: path.name.startswith("data.")):
        for line in read(path).splitlines():
            if line.startswith("  ") or "|" not in line:
                continue
            head, gloss = line.split("|", 1)
            fields = head.split()
            words = [fields[4 + 2 * n].replace("_", " ") for n in range(int(fields[3], 16))]
            words = [re.sub(r"\(\w+\)$", "", word) for word in words]
            yield ", ".join(words) + ": " + gloss.strip()


def dictionary(directory):
    for path in files(directory, lambda path: path.name.endswith(".dict.dz")):
        for entry in re.split(r"\n(?=\S)", read(path)):
            entry = re.sub(r"\[(1913 Webster|WordNet 1\.5|PJC)\]|\\[^\\]*\\|[{}]", "", entry)
            yield one_line(entry)[:1500]


class Paragraphs(HTMLParser):
    BREAKS = set("p li dd td th h1 h2 h3 h4 blockquote div ul ol table tr dl dt".split())
    SKIPPED = {"script", "style", "nav", "pre", "header", "footer", "svg"}

    def __init__(self):
        super().__init__()
        self.found, self.text, self.skipping = [], [], 0

    def end_paragraph(self):
        self.found.append(one_line("".join(self.text)))
        self.text = []

    def handle_starttag(self, tag, attributes):
        self.skipping += tag in self.SKIPPED
        if tag in self.BREAKS:
            self.end_paragraph()

    def handle_endtag(self, tag):
        self.skipping -= tag in self.SKIPPED and self.skipping > 0
        if tag in self.BREAKS:
            self.end_paragraph()

    def handle_data(self, data):
        if not self.skipping:
            self.text.append(data)


def pages(directory):
    for path in files(directory, is_english_page):
        parser = Paragraphs()
        parser.feed(read(path))
        parser.end_paragraph()
        yield from parser.found


LANGUAGES = "ar be bg bn ca cs da de el es eu fa fi fr gl hr hu id it ja ko nb nl pl pt ro ru sk sl sr sv tr uk vi zh".split()


def is_english_page(path):
    if not re.search(r"\.(html|utf8|xhtml)(\.gz)?$|\.html\.en", path.name):
        return False
    marks = re.findall(r"[/.]([a-z]{2})(?:[-_][A-Za-z]{2,4})?(?=[/.])", str(path))
    return not any(mark in LANGUAGES for mark in marks)


def manual(directory):
    for path in files(directory, lambda path: "/man/man" in str(path)):
        paragraph = []
        for line in read(path).splitlines():
            if line.startswith('.\\"'):
                continue
            if not line.strip() or re.match(r"\.(PP|P|LP|TP|IP|SH|SS|RS|RE)\b", line):
                yield " ".join(paragraph)
                paragraph = []
                continue
            line = re.sub(r"^\.\w+ ?", "", line)
            paragraph.append(re.sub(r"\\f[A-Z]|\\-|\\&|\\\(..|\\[a-z]", "", line).replace('"', "").strip())
        yield " ".join(paragraph)


def fortunes(directory):
    for path in files(directory, lambda path: "/fortunes/" in str(path) and path.suffix not in (".dat", ".u8")):
        for text in re.split(r"\n%\n", read(path)):
            yield from blocks(text)


def pod(directory):
    for path in files(directory, lambda path: path.suffix == ".pod" and "perl5" not in path.name):
        yield from (block for block in blocks(read(path)) if not block.startswith("="))


def restructured(directory):
    wanted = (".rst", ".txt", ".rst.gz", ".txt.gz")
    for path in files(directory, lambda path: path.name.endswith(wanted)):
        yield from blocks(read(path))


def textbook(directory):
    for path in files(directory / "modules", lambda path: path.suffix == ".cnxml"):
        text = re.sub(r"<m:math.*?</m:math>", " ", read(path), flags=re.S)
        for found in re.finditer(r"<(para|item|meaning|caption)\b[^>]*>(.*?)</\1>", text, flags=re.S):
            yield html.unescape(one_line(re.sub(r"<[^>]+>", "", found[2])))


def factbook(directory):
    for path in files(directory, lambda path: path.suffix == ".json"):
        country = json.loads(read(path))
        if isinstance(country, dict):
            try:
                name = country["Government"]["Country name"]["conventional short form"]["text"]
            except (KeyError, TypeError):
                name = path.stem
            yield from facts(country, name)


def facts(value, name):
    if not isinstance(value, dict):
        return
    if isinstance(value.get("text"), str):
        yield f"{name}: " + html.unescape(one_line(re.sub(r"<[^>]+>", " ", value["text"])))
    for key, part in value.items():
        yield from facts(part, f"{name.split(',')[0]}, {key}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: text.py SOURCES OUT")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
