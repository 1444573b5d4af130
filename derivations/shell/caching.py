"""``derive cache``: what is kept on disk between processes."""

from __future__ import annotations

import typer

from derivations.shell.terminal import say

cache = typer.Typer(
    help="Compiled kernels and verdicts kept between processes.", no_args_is_help=True
)


@cache.command("list")
def list_records() -> None:
    """List the cached records: kind, key, size."""
    from derive.display import text_table
    from numerics.cache import cache_folder, store

    entries = store().entries()
    say(f"{len(entries)} records in {cache_folder()}")
    if entries:
        rows = [(e.kind, e.key, f"{e.size / 1024:.1f} KiB") for e in entries]
        say(text_table(("kind", "key", "size"), rows, (20, 70, 12)))


@cache.command("clear")
def clear_records() -> None:
    """Delete every cached record and the cells of figures; they are made again when needed."""
    import shutil

    from numerics.cache import cache_folder, store

    shutil.rmtree(cache_folder() / "studies", ignore_errors=True)
    say(f"deleted {store().clear()} records")
