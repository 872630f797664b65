"""What dbt leaves in its folders, without secrets.

Belongs here: dbt's own files, which repeat the variables that a project read (manifest, results, compiled SQL, log).
Not here: what a secret is (`etl.secrets.scrub`), and running dbt (`dbt_build`, `dbt_project`).
"""

from pathlib import Path

from etl.secrets.scrub import known_in, known_only


def clean_folders(*folders: Path) -> None:
    """Rewrite the texts that hold a known secret, and remove what is no text: dbt makes its caches again."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.suffix != ".parquet":
                _clean(path)


def _clean(path: Path) -> None:
    content = path.read_bytes()
    if not known_in(content):
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        path.unlink()
        return
    path.write_text(known_only(text), encoding="utf-8")
