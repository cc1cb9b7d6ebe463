"""What is known of the field's data sets, and how to get them."""

import dataclasses
import shlex
from collections.abc import Sequence

from deadpan.cli.parsers import file_to_write, parse, parser_of
from deadpan.cli.showing import show, show_json, write_table
from deadpan.files import home_path


def data_list(arguments: Sequence[str]) -> None:
    """Tell what is known of every data set, or all of one."""
    from deadpan.cli.corpus_tables import corpora_table, corpus_row, corpus_view
    from deadpan.data.corpora import CORPORA, find_corpus
    from deadpan.data.fetching.fetch import default_folder

    parser = parser_of(
        "data list",
        "[NAME] [--json | --csv FILE]",
        "The data sets of this field: statistics, licence, citation, known traps and sources. "
        "Asks the network for nothing.",
    )
    parser.add_argument("name", type=str, nargs="?", help="a single one, with everything")
    parser.add_argument("--json", action="store_true", help="print all that is known")
    parser.add_argument("--csv", type=str | None, help="write a table; replaces one that is there")
    given = parse(parser, arguments)
    file = file_to_write(given, "csv")
    name = given["name"]
    corpora = list(CORPORA.values()) if name is None else [find_corpus(name)]
    if file:
        write_table(file, [corpus_row(corpus) for corpus in corpora], "data sets")
    elif given["json"]:
        listed = [dataclasses.asdict(corpus) for corpus in corpora]
        show_json(listed if name is None else listed[0])
    elif name is None:
        show(corpora_table(corpora))
    else:
        show(corpus_view(corpora[0], default_folder(corpora[0])))


def data_fetch(arguments: Sequence[str]) -> None:
    """Download the files of a data set."""
    from deadpan.cli.corpus_tables import by_hand_view, fetched_table
    from deadpan.cli.download_progress import watching_download
    from deadpan.data.corpora import find_corpus
    from deadpan.data.fetching.fetch import IncompleteCorpus, default_folder, fetch_corpus

    parser = parser_of(
        "data fetch",
        "NAME [--out FOLDER] [--file FILE]",
        "Download the files of a data set: tries its sources in turn, goes on with what was "
        "interrupted, verifies what is there, and says what must be done by hand.",
    )
    parser.add_argument("name", type=str, help="as 'deadpan data list' calls it")
    parser.add_argument("--out", type=str | None, help="where to put them (data/NAME)")
    parser.add_argument("--file", type=str | None, help="only this one of its files")
    given = parse(parser, arguments)
    corpus = find_corpus(given["name"])
    folder = home_path(given["out"]) if given["out"] else default_folder(corpus)
    again = shlex.join(["deadpan", "data", "fetch", *arguments])
    try:
        with watching_download() as watch:
            files = fetch_corpus(corpus, folder, file=given["file"], watch=watch)
    except IncompleteCorpus as error:
        for part in by_hand_view(corpus, folder, error.missing):
            show(part)
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; go on with: {again}") from None
    show(fetched_table(files))
