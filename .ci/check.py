"""Every check of this project, each counted: what `make test` runs.

The notebooks are the source: the package must be what they export, the README what index.ipynb says, and the notebooks
themselves clean. Then every notebook is run from top to bottom, several at a time, one thread each. The last line is
'N passed, N failed'.
"""
import argparse, concurrent.futures, filecmp, json, os, re, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

ROOT, BIN = Path(__file__).resolve().parent.parent, Path(sys.executable).parent
NOTEBOOKS = sorted(p for p in (ROOT/"nbs").rglob("*.ipynb") if not any(s.startswith((".", "_")) for s in p.relative_to(ROOT).parts))

HUNG = 30*60   # seconds: no check takes a tenth of it on two free cores, so what still runs then waits for something that never comes

def tool(*args, cwd=ROOT, **env):
    "Return code and output of a tool; one that hangs is ended with all that it started, so that it is named and the rest goes on"
    with tempfile.TemporaryFile("w+") as out:   # no pipe: what outlives its parent would keep it open
        process = subprocess.Popen([str(BIN/args[0]), *map(str, args[1:])], cwd=cwd, env=os.environ | env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try: process.wait(HUNG)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.write(f"\nstill running after {HUNG//60} minutes: it hangs")
        out.seek(0)
        return process.returncode, out.read()

def copy_of_sources(to):
    for name in ("nbs", "recsys"): shutil.copytree(ROOT/name, to/name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("settings.ini", "pyproject.toml", "README.md"): shutil.copy(ROOT/name, to/name)

def files(folder): return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}

def different(a, b):
    return sorted(str(f) for f in files(a) | files(b) if not ((a/f).exists() and (b/f).exists() and filecmp.cmp(a/f, b/f, shallow=False)))

def export_in_step():
    "recsys/ is what nbs/ exports"
    with tempfile.TemporaryDirectory() as d:
        copy = Path(d).resolve()/"copy"; copy.mkdir(); copy_of_sources(copy)
        for f in files(copy/"recsys"):
            if f.suffix == ".py" and f.name not in ("__init__.py", "__main__.py"): (copy/"recsys"/f).unlink()   # the rest is written by hand: web/, what gathers names, and the door of `python -m recsys`
        rc, out = tool("nbdev_export", cwd=copy)
        wrong = different(ROOT/"recsys", copy/"recsys")
        return "" if rc == 0 and not wrong else f"{out}\nnot as exported: {', '.join(wrong)}. Run `make export`."

def notebooks_clean():
    "notebooks are clean, small and whole"
    with tempfile.TemporaryDirectory() as d:
        copy = Path(d).resolve()/"copy"; copy.mkdir(); copy_of_sources(copy)
        rc, out = tool("nbdev_clean", cwd=copy)
        wrong = [f"{f} is not clean: run `make clean-notebooks`" for f in different(ROOT/"nbs", copy/"nbs")]
    for p in NOTEBOOKS:
        cells, name = json.loads(p.read_text())["cells"], p.relative_to(ROOT)
        if p.stat().st_size > 1_000_000: wrong.append(f"{name} is over 1 MB")
        if any(o["output_type"] == "error" for c in cells for o in c.get("outputs", [])): wrong.append(f"{name} holds an error output")
        if any("site-packages/" in json.dumps(c.get("outputs", [])) for c in cells): wrong.append(f"{name} shows a warning with a path of the machine that ran it")
        if any("skip_exec" in "".join(c["source"]) for c in cells): wrong.append(f"{name} hides itself from the tests (skip_exec)")
    return "" if rc == 0 and not wrong else out + "\n".join(wrong)

def readme_text():
    with tempfile.TemporaryDirectory() as d:
        rc, out = tool("jupyter", "nbconvert", "--to", "markdown", ROOT/"nbs"/"index.ipynb", "--output-dir", d, "--log-level", "ERROR")
        if rc: raise RuntimeError(out)
        text = (Path(d)/"index.md").read_text()
    text = re.sub(r"\]\((?!https?:|#)([\w/]+\.(ipynb|yaml|png|svg))\)", r"](nbs/\1)", text)   # links are relative to nbs/ in the notebook
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"

def readme_in_step():
    "README.md is what nbs/index.ipynb says"
    return "" if (ROOT/"README.md").exists() and (ROOT/"README.md").read_text() == readme_text() else "README.md differs from nbs/index.ipynb. Run `make readme`."

def experiments_valid():
    "every experiment file is accepted"
    code = """
import sys; from pathlib import Path; from recsys.experiment import compare_config, configure, read_config; from recsys.sweep import sweep_config; from recsys.leaderboard import read_leaderboard; from recsys.insights import insights_config
for f in map(Path, sys.argv[1:]):
    if f.stem.startswith("compare-"): compare_config(read_config(f))
    elif f.stem.startswith("sweep-"): name = sweep_config(read_config(f)).name; assert f"sweep-{name}" == f.stem, f"{f} names its study {name}"
    elif f.stem == "leaderboard": read_leaderboard(f)
    elif f.stem == "insights": insights_config(read_config(f))
    elif f.stem in ("benchmark", "load"): assert read_config(f)["name"] == f.stem
    else: name = configure(read_config(f)).name; assert name == f.stem, f"{f} names its run {name}"
"""
    rc, out = tool("python", "-c", code, *sorted((ROOT/"nbs"/"experiments").rglob("*.yaml")))
    return "" if rc == 0 else out

def notebook_runs(path):
    rc, out = tool("nbdev_test", "--path", path, "--n_workers", "1", "--do_print", OMP_NUM_THREADS="1", IN_TEST="1")
    return "" if rc == 0 else out

def main():
    args = argparse.ArgumentParser(); args.add_argument("--workers", type=int, default=2); args.add_argument("--write-readme", action="store_true")
    args = args.parse_args()
    if args.write_readme: (ROOT/"README.md").write_text(readme_text()); return
    start, failed = time.time(), []
    checks = [(c.__doc__, c) for c in (export_in_step, notebooks_clean, readme_in_step, experiments_valid)]
    checks += [(str(p.relative_to(ROOT)), lambda p=p: notebook_runs(p)) for p in reversed(NOTEBOOKS)]   # the late chapters take longest
    def timed(check):
        t = time.time()
        try: return check(), time.time() - t
        except Exception as e: return f"{type(e).__name__}: {e}", time.time() - t
    with concurrent.futures.ThreadPoolExecutor(args.workers) as pool:
        futures = {pool.submit(timed, check): name for name, check in checks}
        for f in concurrent.futures.as_completed(futures):
            problem, seconds = f.result()
            print(f"{'FAILED' if problem else 'ok    '} {futures[f]}  ({seconds:.0f} s)", flush=True)
            if problem: failed.append(futures[f]); print(problem, flush=True)
    print(f"{time.time() - start:.0f} s" + (f"; failed: {', '.join(failed)}" if failed else ""))
    print(f"{len(checks) - len(failed)} passed, {len(failed)} failed")
    sys.exit(bool(failed))

if __name__ == "__main__": main()
