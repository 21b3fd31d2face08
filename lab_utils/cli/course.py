"""Verbs of a class, in the order of a course."""

import os
from contextlib import suppress
from pathlib import Path

import click

from lab_utils.cli.group import (
    Place,
    default_notebooks,
    fail,
    finish,
    main,
    minutes,
    notebooks,
    notebooks_here,
    out_option,
    parameters,
    scheduler,
    workers,
)


@main.command()
@click.argument("out", type=Place())
@click.option("--roster", type=Place(), help="Make a series for each of its students, with their own parameters.")
@click.option("--rubric", type=Place(), help="The points of each answer (TOML).  [default: the lab's, 50 in all]")
@notebooks
def release(out: Path, roster: Path | None, rubric: Path | None, notebooks: Path | None) -> None:
    """Make the students' notebooks, without answers, and the instructor's page of model answers.

    Each answer's cell has the metadata of nbgrader, too, for courses that use it.

    \b
    dae-lab release handout
    dae-lab release handout --roster roster.csv
    """
    from lab_utils import files
    from lab_utils.course.release import release as release_all

    made, aside = release_all(out, notebooks or default_notebooks(), roster=roster, rubric=rubric)
    files.say_set_aside(aside)
    click.echo(f"{len(made) - 1} notebooks in {out / 'students'}{os.sep}; to keep: {made[0]}")


@main.command()
@parameters
@out_option("submission")
@notebooks
@minutes
@click.option("--part", type=click.Choice(["pre-lab", "in-lab", "post-lab"]), help="Hand in this part alone.")
def submit(parameters: tuple, out: Path, notebooks: Path | None, minutes: float | None, part: str | None) -> None:
    """Check your notebooks, make the report, and put everything into the one file to hand in.

    Your notebooks are those of this folder, or of --notebooks. They are run, which takes some minutes. What is
    incomplete is named, and handed in all the same; only a name and an ID must be there.

    \b
    dae-lab submit
    dae-lab submit --part pre-lab
    dae-lab submit -p student_id 0012345 -p student_name "Your Name"
    """
    from lab_utils.course.submission import submit as submit_one
    from lab_utils.running.display import CellBars

    with CellBars() as bars:
        made = submit_one(
            out,
            notebooks or notebooks_here() or Path(),
            dict(parameters),
            part=part,
            minutes=minutes,
            on_progress=bars.update,
        )
    if made.archive is None:
        fail(f"{made.result.status}: {made.result.message}\nNothing to hand in yet.")
    click.echo(f"{made.answered} of {made.asked} answers, {made.result.pages} pages.")
    for warning in made.warnings:
        click.echo(f"  look at: {warning}")
    click.echo(f"Upload this one file:\n{made.archive.resolve()}")


@main.command()
@click.argument("roster", type=Place())
@out_option("reports")
@workers
@scheduler
@parameters
@notebooks
@minutes
@click.option("--fresh", is_flag=True, help="Do everything again, even what is done.")
@click.option("--check", is_flag=True, help="Only look whether the roster can be used, and say what would run.")
def batch(
    roster: Path,
    out: Path,
    workers: int,
    scheduler: str | None,
    parameters: tuple,
    notebooks: Path | None,
    minutes: float | None,
    fresh: bool,
    check: bool,
) -> None:
    """Make the reports of a whole class from a roster (CSV or XLSX).

    Columns: student_id, name, and any parameter of the notebooks. Done again, it skips what is done.

    \b
    dae-lab batch roster.csv --check
    dae-lab batch roster.csv --out reports
    dae-lab batch roster.xlsx --workers 4 -p profile full
    dae-lab batch roster.csv --scheduler tcp://10.0.0.1:8786
    """
    from lab_utils.course.batch import plan_class, run_class
    from lab_utils.running.limits import shared_limits

    source = notebooks or default_notebooks()
    if check:
        jobs = plan_class(roster, out, source, dict(parameters), shared_limits(workers, scheduler, minutes))
        for job in jobs:
            click.echo(f"{job.student_id}  {job.name}  {job.folder}")
        click.echo(f"{len(jobs)} students, {len(jobs[0].sources)} notebooks each. Nothing was run.")
        return
    results = run_class(
        roster,
        out,
        source,
        workers=workers,
        scheduler=scheduler,
        parameters=dict(parameters),
        minutes=minutes,
        fresh=fresh,
    )
    finish([(result.student_id, result) for result in results], [out / "index.html", out / "summary.csv"])


@main.command()
@click.argument("folder", type=Place())
@click.argument("roster", type=Place())
@out_option("marks")
@workers
@scheduler
@notebooks
@minutes
@click.option("--part", type=click.Choice(["pre-lab", "in-lab", "post-lab"]), help="Look at this part alone.")
@click.option("--own-cells", is_flag=True, help="Run the students' own code instead of the lab's.")
def collect(
    folder: Path,
    roster: Path,
    out: Path,
    workers: int,
    scheduler: str | None,
    notebooks: Path | None,
    minutes: float | None,
    part: str | None,
    own_cells: bool,
) -> None:
    """Match what a class has handed in to the roster, run it again, and say what to look at.

    FOLDER is what the LMS gives: a folder or a ZIP of archives or notebooks. The lab's code is run with each student's
    parameters, and the numbers are compared. A student's own code (--own-cells) runs as you do: without a network
    where Linux gives that, but it may read and write your files. Done again, it runs only what is new.

    \b
    dae-lab collect downloads roster.csv --out marks
    dae-lab collect "Experiment 13-submissions.zip" roster.csv --workers 2
    dae-lab collect downloads roster.csv --own-cells --minutes 5
    """
    from lab_utils.course.collect import collect as collect_all
    from lab_utils.text import visible

    rows = collect_all(
        folder,
        roster,
        out,
        notebooks or default_notebooks(),
        workers=workers,
        scheduler=scheduler,
        minutes=minutes,
        own_cells=own_cells,
        part=part,
    )
    for row in rows:
        if row.look_at:
            told = [*row.notes, *row.numbers, *row.alike, *([f"code: {', '.join(row.changes)}"] if row.changes else [])]
            click.echo(visible(f"  {row.student_id or row.handed_in}  {row.status}  {'; '.join(told)[:500]}"))
    if any(row.compared and not row.offline for row in rows):
        click.echo("The notebooks ran with a network: this system gives no process one of its own.")
    click.echo(f"{sum(not row.look_at for row in rows)} of {len(rows)} lines with nothing to look at.")
    for name in ("collected.csv", "index.html"):
        click.echo(out / name)


@main.command()
@click.argument("folder", type=Place())
@click.option(
    "--rubric", type=Place(), help="The points of each answer (TOML).  [default: as before; the lab's, 50 in all]"
)
@click.option("--sheet", is_flag=True, help="Only bring marks.xlsx and the marks of the page together, both ways.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Of the page.  [default: any that is free]")
@click.option("--open/--no-open", "show", default=True, show_default=True, help="Open the page in a browser.")
def mark(folder: Path, rubric: Path | None, sheet: bool, port: int, show: bool) -> None:
    """Mark what `dae-lab collect` has written into FOLDER, on a page that this machine alone can see.

    Every change is saved at once, to marks.json in FOLDER; Ctrl-C ends the page. Who prefers a spreadsheet fills in
    marks.xlsx (--sheet makes it, and reads it again): what changed there and on the page comes together, cell by cell.

    \b
    dae-lab mark marks
    dae-lab mark marks --rubric my_rubric.toml
    dae-lab mark marks --sheet
    """
    import webbrowser

    from lab_utils import files
    from lab_utils.course import marking, marksheet, overview
    from lab_utils.course.collected import read_collected
    from lab_utils.course.marks import open_marks
    from lab_utils.course.student import held

    collection = read_collected(folder)
    with held(folder):
        marks = open_marks(folder, collection, rubric)
        if sheet or (folder / marksheet.NAME).exists():
            files.say_set_aside([marksheet.merge_sheet(folder, collection, marks)])
            click.echo(folder / marksheet.NAME)
        if not sheet:
            server, address = marking.serve(marking.Marking(folder, collection, marks), port)
            click.echo(f"Mark here, and end with Ctrl-C:\n{address}")
            if show:
                webbrowser.open(address)
            with server, suppress(KeyboardInterrupt):
                server.serve_forever()
            click.echo("Ended; everything is saved.")
            marks = open_marks(folder, collection)
        files.say_set_aside([overview.write_overview(collection, folder)])
    done = sum(marks.total(id) is not None for id in collection.students)
    click.echo(f"{done} of {len(collection.students)} students are marked.")


@main.command()
@click.argument("folder", type=Place())
@click.option("--out", type=Place(), help="[default: FOLDER/feedback]")
@workers
def feedback(folder: Path, out: Path | None, workers: int) -> None:
    """Put the marks into the students' reports, and make a page of feedback for each.

    Those who are not marked to the end get none yet. Done again, it writes what has changed.

    \b
    dae-lab feedback marks
    dae-lab feedback marks --out to_hand_back --workers 4
    """
    from lab_utils import files
    from lab_utils.course import overview
    from lab_utils.course.collected import read_collected
    from lab_utils.course.feedback import give_feedback
    from lab_utils.course.marks import open_marks
    from lab_utils.text import visible

    collection = read_collected(folder)
    marks = open_marks(folder, collection)
    out = out or folder / "feedback"
    given = give_feedback(folder, out, collection, marks, workers=workers)
    files.say_set_aside([overview.write_overview(collection, folder)])
    click.echo(f"{len(given.students)} students: {out}{os.sep}")
    if given.unmarked:
        click.echo(visible(f"Not marked to the end ({len(given.unmarked)}): {', '.join(given.unmarked)[:1_000]}"))
    for id, problem in given.problems.items():
        click.echo(visible(f"  {id}: {problem[:500]}"), err=True)


@main.command()
@click.argument("marks", type=Place())
@click.argument("theirs", type=Place())
@click.option("--out", type=Place(), default="grades.csv", show_default=True)
@click.option("--column", default="Experiment 13", show_default=True, help="Of the grades, where it is not there yet.")
def export(marks: Path, theirs: Path, out: Path, column: str) -> None:
    """Put marks into the file that Moodle or Canvas gave, ready to be uploaded there.

    MARKS is the folder that you marked in, or a CSV or XLSX with student_id, total and, if you like, remark. THEIRS is
    Moodle's grading worksheet, Canvas' exported gradebook, or any class list as CSV: its students and IDs stay.

    \b
    dae-lab export marks "Grades-DL-Experiment 13.csv" --out to_moodle.csv
    dae-lab export marks.xlsx canvas_gradebook.csv --column "Experiment 13" --out to_canvas.csv
    """
    from lab_utils import files
    from lab_utils.course.exports import filled
    from lab_utils.text import visible

    content, written, told = filled(marks, theirs, column)
    files.say_set_aside([files.put(out, content)])
    click.echo(f"{written} marks in {out}")
    for each in told:
        click.echo(visible(each), err=True)
