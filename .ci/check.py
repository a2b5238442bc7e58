"""Every check of this project, each counted: what `make test` runs.

The notebooks are the source: the package must be what they export, the README what index.ipynb says, and the notebooks
themselves clean; ruff finds nothing, and nothing grows too long. Then every notebook is run from top to bottom by
nbdev_test, several at a time, one thread each. The last line is 'N passed, N failed'.
"""
import argparse, ast, concurrent.futures, filecmp, graphlib, json, multiprocessing, os, re, shutil, signal, subprocess
import sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

def is_hidden(path):
    "Does the path of a notebook hold a part that begins with a dot or an underscore?"
    return any(part.startswith((".", "_")) for part in path.relative_to(ROOT).parts)

NOTEBOOKS = sorted(path for path in (ROOT/"nbs").rglob("*.ipynb") if not is_hidden(path))

# Seconds. No check takes a tenth of it on two free cores: what still runs then waits for something that never comes.
HUNG = 30*60

HANGS = f"\nstill running after {HUNG//60} minutes: it hangs"

def end_group(process):
    "End a process with all that it has started"
    os.killpg(process.pid, signal.SIGKILL)

def tool(*args, cwd=ROOT, **env):
    "Return code and output of a tool; one that hangs is ended, so that it is named and the rest goes on"
    command = [str(BIN/args[0]), *map(str, args[1:])]
    with tempfile.TemporaryFile("w+") as out:   # no pipe: what outlives its parent would keep it open
        process = subprocess.Popen(
            command, cwd=cwd, env=os.environ | env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try: process.wait(HUNG)
        except subprocess.TimeoutExpired:
            end_group(process)
            process.wait()
            out.write(HANGS)
        out.seek(0)
        return process.returncode, out.read()

# A copy of the sources, on which a tool can work and be compared with what is there

def copy_of_sources(folder):
    "A copy of what is exported and cleaned, below an empty folder"
    copy = Path(folder).resolve()/"copy"
    copy.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("nbs", "recsys"): shutil.copytree(ROOT/name, copy/name, ignore=unwanted)
    for name in ("settings.ini", "pyproject.toml", "README.md"): shutil.copy(ROOT/name, copy/name)
    return copy

def files(folder):
    "All files below a folder, as seen from it"
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder) for path in found}

def same(one, other):
    "Are both files there, with the same content?"
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)

def different(one, other):
    "The files in which two folders differ"
    return sorted(str(file) for file in files(one) | files(other) if not same(one/file, other/file))

# The checks: each returns what is wrong, or an empty text

BY_HAND = ("__init__.py", "__main__.py")   # what gathers names, and the door of `python -m recsys`; web/ has no .py

def export_in_step():
    "recsys/ is what nbs/ exports"
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_sources(folder)
        for file in files(copy/"recsys"):
            if file.suffix == ".py" and file.name not in BY_HAND: (copy/"recsys"/file).unlink()
        rc, out = tool("nbdev_export", cwd=copy)
        wrong = different(ROOT/"recsys", copy/"recsys")
    if rc == 0 and not wrong: return ""
    return f"{out}\nnot as exported: {', '.join(wrong)}. Run `make export`."

def notebook_problems(path):
    "What a notebook holds that it should not"
    cells, name = json.loads(path.read_text())["cells"], path.relative_to(ROOT)
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    if path.stat().st_size > 1_000_000: yield f"{name} is over 1 MB"
    if any(output["output_type"] == "error" for output in outputs): yield f"{name} holds an error output"
    if any("site-packages/" in json.dumps(output) for output in outputs):
        yield f"{name} shows a warning with a path of the machine that ran it"
    if any("skip_exec" in "".join(cell["source"]) for cell in cells):
        yield f"{name} hides itself from the tests (skip_exec)"

def notebooks_clean():
    "notebooks are clean, small and whole"
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_sources(folder)
        rc, out = tool("nbdev_clean", cwd=copy)
        unclean = different(ROOT/"nbs", copy/"nbs")
    wrong = [f"{file} is not clean: run `make clean-notebooks`" for file in unclean]
    for path in NOTEBOOKS: wrong += notebook_problems(path)
    return "" if rc == 0 and not wrong else out + "\n".join(wrong)

# Links to a notebook, a YAML file or a picture, which the index has relative to nbs/
INDEX_LINK = r"\]\((?!https?:|#)([\w/]+\.(ipynb|yaml|png|svg))\)"

def readme_text():
    "README.md as nbs/index.ipynb says it"
    with tempfile.TemporaryDirectory() as folder:
        rc, out = tool(
            "jupyter", "nbconvert", "--to", "markdown", ROOT/"nbs"/"index.ipynb", "--output-dir", folder,
            "--log-level", "ERROR")
        if rc: raise RuntimeError(out)
        text = (Path(folder)/"index.md").read_text()
    text = re.sub(INDEX_LINK, r"](nbs/\1)", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"

def readme_in_step():
    "README.md is what nbs/index.ipynb says"
    readme = ROOT/"README.md"
    if readme.exists() and readme.read_text() == readme_text(): return ""
    return "README.md differs from nbs/index.ipynb. Run `make readme`."

# What a Python with recsys runs on all experiment files: each must be accepted, and carry its file's name
ACCEPT = """
import sys
from pathlib import Path
from recsys.config import configure, read_config
from recsys.execution import compare_config
from recsys.insights import insights_config
from recsys.leaderboard import read_leaderboard
from recsys.search_space import sweep_config

def accept(file):
    if file.stem == "leaderboard": return read_leaderboard(file)
    sections = read_config(file)
    if file.stem.startswith("compare-") or file.stem == "cold-items-floors": compare_config(sections)
    elif file.stem.startswith("sweep-"):
        name = sweep_config(sections).name
        assert f"sweep-{name}" == file.stem, f"{file} names its study {name}"
    elif file.stem == "insights": insights_config(sections)
    elif file.stem in ("benchmark", "load"): assert sections["name"] == file.stem
    else:
        name = configure(sections).name
        assert name == file.stem, f"{file} names its run {name}"

for file in map(Path, sys.argv[1:]): accept(file)
"""

def experiments_valid():
    "every experiment file is accepted"
    rc, out = tool("python", "-c", ACCEPT, *sorted((ROOT/"nbs"/"experiments").rglob("*.yaml")))
    return "" if rc == 0 else out

def ruff_finds_nothing():
    "ruff finds nothing in notebooks and package"
    rc, out = tool("ruff", "check", "--no-cache", "--output-format", "concise", "nbs", "recsys", ".ci")
    return "" if rc == 0 else out

# Lines. What is longer does more than one thing.
LONGEST_FUNCTION, LONGEST_MODULE = 40, 500

def too_long(path):
    "The functions of a module that are too long, and the module itself"
    text, name = path.read_text(), path.relative_to(ROOT)
    lines = text.count("\n")
    if lines > LONGEST_MODULE: yield f"{name} has {lines} lines, more than {LONGEST_MODULE}"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)): continue
        lines = node.end_lineno - node.lineno + 1
        if lines > LONGEST_FUNCTION: yield f"{name}: {node.name} has {lines} lines, more than {LONGEST_FUNCTION}"

def nothing_too_long():
    "functions and modules are short"
    modules = [path for path in sorted((ROOT/"recsys").rglob("*.py")) if path.name != "_modidx.py"]   # nbdev's index
    return "\n".join(problem for path in modules for problem in too_long(path))

def chapters():
    "Module -> the number of the chapter that exports it, as 02 for nbs/02a_features.ipynb"
    numbers = {}
    for path in NOTEBOOKS:
        code = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
        module = re.search(r"^#\| *default_exp +(\S+)", code, re.MULTILINE)
        if module: numbers[f"recsys.{module[1]}"] = str(path.relative_to(ROOT/"nbs"))[:2]
    return numbers

def imported_names(module):
    "What a module imports, at its head or later, as full names: of modules, and of what is taken from them"
    tree = ast.parse((ROOT/(module.replace(".", "/") + ".py")).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import): yield from (alias.name for alias in node.names)
        if not isinstance(node, ast.ImportFrom): continue
        above = module.split(".")[:-node.level] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        yield source
        yield from (f"{source}.{alias.name}" for alias in node.names)

def imports_run_down():
    "no chapter imports from a later one, and no modules import each other in a circle"
    numbers = chapters()
    imports = {module: set(imported_names(module)) & numbers.keys() - {module} for module in numbers}
    wrong = [f"{module} (chapter {numbers[module]}) imports {other} (chapter {numbers[other]})"
             for module in imports for other in sorted(imports[module]) if numbers[other] > numbers[module]]
    try: graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error: wrong.append(f"a circle: {' is imported by '.join(error.args[1])}")
    return "\n".join(wrong)

# A server imports once what most notebooks import, and each notebook is run in a copy of it: a third of the time of all
OFTEN = ["nbdev.test", "torch", "pandas", "pyarrow", "matplotlib.pyplot", "seaborn", "sklearn", "pydantic", "mlflow"]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(OFTEN)

def test_notebook(path, log):
    "In a process of its own, what it says written to `log`"
    os.setsid()
    with open(log, "w") as out:
        for stream in (1, 2): os.dup2(out.fileno(), stream)
    from nbdev.test import nbdev_test
    nbdev_test(path=str(path), n_workers=0, do_print=True)

def notebook_runs(path):
    "Run a notebook from top to bottom"
    with tempfile.NamedTemporaryFile("r") as log:
        process = SERVER.Process(target=test_notebook, args=(path, log.name))
        process.start()
        process.join(HUNG)
        hangs = process.is_alive()
        if hangs:
            end_group(process)
            process.join()
        said = log.read()
        if process.exitcode == 0 and "Success." in said: return ""
        return said + (HANGS if hangs else f"\nended with {process.exitcode}")

# All checks, several at a time

def all_checks():
    "Pairs of a name and a check; the late chapters, which take longest, come first"
    of_sources = (
        export_in_step, notebooks_clean, ruff_finds_nothing, nothing_too_long, imports_run_down, readme_in_step,
        experiments_valid)
    checks = [(check.__doc__, check) for check in of_sources]
    for path in reversed(NOTEBOOKS):
        checks.append((str(path.relative_to(ROOT)), lambda path=path: notebook_runs(path)))
    return checks

def timed(check):
    "What a check finds wrong, and its seconds; one that raises has found that"
    start = time.time()
    try: problem = check()
    except Exception as error: problem = f"{type(error).__name__}: {error}"
    return problem, time.time() - start

def report(name, problem, seconds):
    "One line a check, and what is wrong below it"
    print(f"{'FAILED' if problem else 'ok    '} {name}  ({seconds:.0f} s)", flush=True)
    if problem: print(problem, flush=True)

def run_checks(workers):
    "Run all checks, and end with 0 if every one has passed"
    start, checks, failed = time.time(), all_checks(), []
    os.environ["OMP_NUM_THREADS"] = "1"
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(timed, check): name for name, check in checks}
        for future in concurrent.futures.as_completed(futures):
            name, (problem, seconds) = futures[future], future.result()
            report(name, problem, seconds)
            if problem: failed.append(name)
    names = f"; failed: {', '.join(failed)}" if failed else ""
    print(f"{time.time() - start:.0f} s{names}")
    print(f"{len(checks) - len(failed)} passed, {len(failed)} failed")
    sys.exit(bool(failed))

def main():
    args = argparse.ArgumentParser()
    args.add_argument("--workers", type=int, default=2)
    args.add_argument("--write-readme", action="store_true")
    args = args.parse_args()
    if args.write_readme: (ROOT/"README.md").write_text(readme_text())
    else: run_checks(args.workers)

if __name__ == "__main__": main()
