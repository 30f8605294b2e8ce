"""The bench of the views, on a result small enough for a test."""

from pathlib import Path

from benchmarks.harness.large_result import LARGEST, write_large_result
from benchmarks.views import QUESTIONS, SCOPES, ask_all
from connectors.sql.reader import open_reader


def test_every_question_is_asked_of_a_result_with_the_shape_of_a_real_one(tmp_path: Path) -> None:
    path = tmp_path / "result.duckdb"
    write_large_result(path, 2_000)
    reader = open_reader(path)
    shape = """select count(*) as conversions,
        (select count(*) from credits) / count(*) between 2 and 3 as has_credits,
        count(*) filter (not is_final) > 0 as has_open,
        round(avg((advertiser_id = $1)::integer), 1) as largest from conversions"""
    sums = """select count(*) as paths from (select conversion_id from credits
        group by all having sum(last_touch) <> 1 or max(position) <> any_value(path_length))"""
    found = reader.query(shape, [LARGEST]).to_pylist()
    unsound = reader.query(sums).to_pylist()
    copies = reader.query("select sum(repeats) as copies from source_overlap").to_pylist()
    figures = ask_all(reader)
    reader.close()
    assert found == [{"conversions": 2_002, "has_credits": True, "has_open": True, "largest": 0.2}]
    assert unsound == [{"paths": 0}]
    assert copies[0]["copies"] > 0
    assert figures.keys() == QUESTIONS.keys()
    assert all(each.keys() == SCOPES.keys() for each in figures.values())
