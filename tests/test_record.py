"""What is kept between processes follows the sources: an edit anywhere is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from derive import record, registry
from derive.derivation import Card
from derive.errors import ConditionError, UnknownNameError

PAGE = '''
"""A paper."""

from derive.registry import derivation


@derivation("{id}", reference="nobody", limit="none")
def page(d):
    """{statement}"""
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one file, registered for the length of a test, with a cache of its own."""
    folder = tmp_path / "paper"
    folder.mkdir()
    monkeypatch.setenv("ICL_DERIVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "_roots", [])
    registry.register_root("paper", folder)
    yield folder
    monkeypatch.undo()
    forget()


def forget() -> None:
    """Do what a new process does."""
    for remembered in (registry.cards, registry._lookup, record._digest):
        remembered.cache_clear()


def write(folder: Path, name: str, id: str, statement: str = "Nothing follows.") -> Path:
    path = folder / name
    path.write_text(PAGE.format(id=id, statement=statement), encoding="utf-8")
    return path


def test_the_catalogue_is_parsed_once_and_read_afterwards(package, monkeypatch):
    write(package, "first.py", "paper.first")
    expected = {"paper.first": Card("paper.first", "Nothing follows.", "nobody", "none", "",
                                    "paper.first", "page")}  # fmt: skip
    assert registry.cards() == expected
    forget()
    monkeypatch.setattr(registry, "_cards_of", lambda *_: pytest.fail("parsed again"))
    assert registry.cards() == expected


def test_every_edit_is_noticed(package):
    first = write(package, "first.py", "paper.first")
    seen = [record.sources_digest()]
    assert list(registry.cards()) == ["paper.first"]

    before = first.stat()
    write(package, "first.py", "paper.other")  # as long as before,
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))  # and no younger
    forget()
    seen.append(record.sources_digest())
    assert list(registry.cards()) == ["paper.other"]

    (package / "deep").mkdir()
    write(package / "deep", "second.py", "paper.second")
    forget()
    seen.append(record.sources_digest())
    assert list(registry.cards()) == ["paper.other", "paper.second"]

    (package / "deep" / "second.py").rename(package / "second.py")  # same text, other module
    forget()
    seen.append(record.sources_digest())
    assert registry.cards()["paper.second"].module == "paper.second"
    assert len(set(seen)) == len(seen)


def test_a_root_registered_later_is_part_of_the_digest(package, tmp_path):
    write(package, "first.py", "paper.first")
    alone = record.sources_digest()
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", "second.py", "more.second")
    registry.register_root("more", tmp_path / "more")
    assert record.sources_digest() != alone
    assert list(registry.cards()) == ["more.second", "paper.first"]


def test_two_places_for_one_id_are_an_error_every_time(package):
    write(package, "first.py", "paper.same")
    write(package, "second.py", "paper.same")
    for _ in range(2):
        with pytest.raises(ConditionError, match=r"paper\.first\.page and in paper\.second\.page"):
            registry.cards()
        forget()


def test_an_unknown_id_suggests_the_nearest(package):
    write(package, "first.py", "paper.first")
    with pytest.raises(UnknownNameError, match=r"paper\.first"):
        registry.lookup("paper.frist")


@pytest.mark.parametrize("wrong", [3, None, ["paper.first"]])
def test_an_id_that_is_no_text_is_said_to_be_none(package, wrong):
    with pytest.raises(UnknownNameError, match="an id is text, not"):
        registry.lookup(wrong)


def test_the_decorator_of_a_page_is_read_and_not_run(package):
    text = "NAME = 'x'\n\n\n@derivation(NAME, reference='r', limit='l')\ndef page(d): ...\n"
    (package / "first.py").write_text(text)
    with pytest.raises(ConditionError, match=r"@derivation\(NAME, ...\) of paper\.first\.page"):
        registry.cards()


def test_a_damaged_catalogue_is_read_from_the_sources_again(package, tmp_path):
    write(package, "first.py", "paper.first")
    registry.cards()
    (kept,) = (tmp_path / "cache" / "catalogue").iterdir()
    kept.write_bytes(kept.read_bytes()[:-3])
    program = """
        import warnings
        from pathlib import Path
        from derive import registry
        registry.register_root("paper", Path({folder!r}))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            print(*registry.cards(), len(said))
    """
    text = textwrap.dedent(program).format(folder=str(package))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["paper.first", "1"]


def test_a_second_process_loads_nothing_it_does_not_need():
    program = """
        import sys
        import derivations
        formula = derivations.get("classics.marchenko_pastur").result
        assert 0 < formula(kappa=2.0, u=0.5) < 2
        print(*[m for m in ("difflib", "numba", "sympy", "numerics.grid", "numerics.emit")
                if m in sys.modules])
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    found = ["not run"]
    for _ in range(4):  # the first fills the cache; so does one that comes after an edit
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = done.stdout.split()
        if not found:
            break
    assert found == []
