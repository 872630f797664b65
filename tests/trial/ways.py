"""Thirty and more ways in which a tenant's folder can be broken, and a word that says what is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Way(NamedTuple):
    """How one tenant is broken: a change of its folder, and a word that the shown problem contains."""

    change: Callable[[Path], object]
    says: str


def python(code: str, says: str) -> Way:
    """The tenant's `definitions.py` begins with this code."""

    def change(folder: Path) -> None:
        usual = f'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("{folder.name}")\n'
        (folder / "definitions.py").write_text(f"{code}\n{usual}", encoding="utf-8")

    return Way(change, says)


def yaml(old: str, new: str, says: str) -> Way:
    """The tenant's `config.yaml` with another text."""

    def change(folder: Path) -> None:
        path = folder / "config.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return Way(change, says)


def shadowed(folder: Path) -> None:
    (folder / "helpers.py").write_text("VALUE = 1\n")
    python(f"import sys\nsys.path.insert(0, {str(folder)!r})\nimport helpers\nsys.path.pop(0)", "").change(folder)


WAYS: dict[str, Way] = {
    "raises": python("raise ValueError('no such thing')", "ValueError: no such thing"),
    "raises_an_interrupt": python("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises_without_a_text": python(
        "class Bad(Exception):\n    def __str__(self): raise OSError\nraise Bad", "its text raises OSError"
    ),
    "is_no_python": python("def (:", "SyntaxError"),
    "is_no_text": Way(lambda folder: (folder / "definitions.py").write_bytes(b"\xff\xfe\x00x = 1"), "SyntaxError"),
    "hangs": python("import time\ntime.sleep(3600)", "definitions.py:2"),
    "hangs_and_catches": python(
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass", "definitions.py:3"
    ),
    "hangs_in_c": python("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", "definitions.py:4"),
    "sys_exit": python("import sys\nsys.exit(0)", "SystemExit"),
    "os_exit": python("import os\nos._exit(0)", "os._exit was called"),
    "os_exit_by_another_name": python("import posix\nposix._exit(0)", "exit code 0"),
    "os_abort": python("import os\nos.abort()", "definitions.py:2: the import ends its process by the signal SIGABRT"),
    "kills_itself": python("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "kills_its_parent": python("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", "a signal to another process"),
    "execs": python("import os\nos.execv('/bin/true', ['true'])", "os.execv was called"),
    "crashes": python("import ctypes\nctypes.string_at(0)", "the import ends its process by the signal SIGSEGV"),
    "forks": python("import os\nos.fork()", "a fork of the process"),
    "forks_and_hangs": python("import os, time\nif os.fork() == 0:\n    time.sleep(3600)", "a fork of the process"),
    "starts_a_process": python("import subprocess\nsubprocess.Popen(['sleep', '3600'])", "processes that it started"),
    "starts_a_session": python(
        "import subprocess\nsubprocess.Popen(['sleep', '3611'], start_new_session=True)", "processes that it started"
    ),
    "does_something_at_the_end": python("import atexit, time\natexit.register(time.sleep, 3600)", "atexit"),
    "starts_a_thread": python(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), name='poller', daemon=True).start()",
        "threads that go on: poller",
    ),
    "changes_the_folder": python("import os\nos.chdir('/')", "the working directory: /"),
    "changes_a_variable": python("import os\nos.environ['ETL_DATA_DIR'] = '/nowhere'", "ETL_DATA_DIR"),
    "removes_a_variable": python("import os\ndel os.environ['PATH']", "PATH"),
    "replaces_the_environment": python("import os\nos.environ = dict(os.environ)", "os.environ is another object"),
    "changes_a_signal": python("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)", "the handler of SIGTERM"),
    "changes_the_path": python("import sys\nsys.path.insert(0, '/nowhere')", "sys.path: /nowhere"),
    "changes_the_recursion_limit": python("import sys\nsys.setrecursionlimit(50_000)", "the recursion limit: 50000"),
    "changes_the_umask": python("import os\nos.umask(0o777)", "the umask"),
    "changes_the_time_zone": python(
        "import os, time\nos.environ['TZ'] = 'Asia/Seoul'\ntime.tzset()", "the time zone"
    ),
    "closes_its_output": python("import sys\nsys.stdout.close()", "sys.stderr, which is closed"),
    "closes_all_files": python("import os\nos.closerange(3, 4096)", "the import ends its process"),
    "replaces_its_output": python("import io, sys\nsys.stderr = io.StringIO()", "sys.stderr"),
    "patches_a_module": python("import json\njson.dumps = lambda *_, **__: '{}'", "json.dumps"),
    "patches_a_class": python(
        "import dagster\ndagster.AssetKey.to_user_string = lambda self: 'all/the/same'", "AssetKey.to_user_string"
    ),
    "patches_ours": python("import etl.running.naming as n\nn.asset_key = lambda *_: None", "etl.running.naming.asset_key"),
    "patches_a_constant": python("from etl.running import naming\nnaming.TIERS['load'] = 'bronze'", "TIERS"),
    "patches_builtins": python("import builtins\nbuiltins.sorted = list", "builtins.sorted"),
    "takes_memory": python("found = []\nwhile True:\n    found.append(bytearray(1 << 25))", "MemoryError"),
    "shadows_a_module": Way(shadowed, "the module helpers"),
    "shadows_another_tenant": python(
        "import sys, types\nsys.modules['tenants.beta.definitions'] = m = types.ModuleType('x')\nm.__file__ = '/x.py'",
        "the module tenants.beta.definitions",
    ),
    "shadows_ours": python("import sys, types\nsys.modules['etl.later'] = types.ModuleType('later')", "the module etl.later"),
    "replaces_a_module": python("import sys, types\nsys.modules['yaml'] = types.ModuleType('yaml')", "the module yaml"),
    "has_no_definitions": Way(lambda folder: (folder / "definitions.py").write_text("defs = 1\n"), "has no `defs`"),
    "yaml_with_a_tab": yaml("  id:", "\tid:", "problem"),
    "yaml_with_a_typo": yaml("pipelines:", "pipelnes:", "did you mean `pipelines`"),
    "yaml_of_another_tenant": yaml("  id: ", "  id: x", "differs from the folder's name"),
    "yaml_that_is_empty": Way(lambda folder: (folder / "config.yaml").write_text(""), "the file is empty"),
    "yaml_that_is_no_text": Way(lambda folder: (folder / "config.yaml").write_bytes(b"\xff\xfe\x00"), "UTF-16"),
    "yaml_that_is_a_folder": Way(
        lambda folder: ((folder / "config.yaml").unlink(), (folder / "config.yaml").mkdir()), "cannot be read"
    ),
    "a_transform_without_its_function": Way(
        lambda folder: (folder / "transforms" / "orders.py").write_text("x = 1\n"), "defines no function"
    ),
    "a_transform_that_is_no_python": Way(
        lambda folder: (folder / "transforms" / "orders.py").write_text("def (:\n"), "is not valid Python"
    ),
}  # fmt: skip

LIKE_ANOTHER = frozenset({
    "starts_a_session", "does_something_at_the_end",
    "execs", "kills_itself", "patches_a_constant", "replaces_the_environment", "yaml_of_another_tenant",
    "changes_the_recursion_limit", "changes_the_time_zone", "changes_the_umask", "closes_its_output", "forks_and_hangs",
    "hangs_in_c", "has_no_definitions", "is_no_text", "os_exit_by_another_name", "patches_builtins", "patches_ours",
    "removes_a_variable", "replaces_its_output", "shadows_ours", "yaml_that_is_a_folder", "yaml_that_is_no_text",
})  # fmt: skip
"""Ways that are like another one; they are tried out only with many tenants."""

GOOD: dict[str, str] = {
    "prints": "print('hello')",
    "prints_bytes": "import sys\nsys.stdout.buffer.write(b'\\xff\\x00') if hasattr(sys.stdout, 'buffer') else None",
    "writes_to_the_descriptor": "import os\nos.write(2, b'')",
    "asks_a_program": "import subprocess\nsubprocess.run(['true'], check=True)",
    "imports_a_file_beside_it": "from pathlib import Path",
    "joins_its_thread": "import threading\nt = threading.Thread(target=int)\nt.start()\nt.join()",
}
