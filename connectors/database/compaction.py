"""Compaction: keeps the result file of a continuous run small, without changing any view's result.

Each commit adds rows of temporary use: provisional rows until the final ones exist, deltas and
positions until they are summed up. Every `UPKEEP_COMMITS` commits they are deleted or merged, in
the transaction of that commit. Credits are summed up more often, for the views that read the sums.

Only rows of commits that no restart can undo are changed, and their replacements carry the number
of the last such commit: a restart deletes the rows above the commit it resumes from, and the
replacements must survive that. While commit n is written, all earlier commits are safe, because the
engine begins an epoch only after the one before it is stored everywhere.
"""

from dataclasses import dataclass
from typing import Final

import duckdb

from connectors.database.credit_sums import EARNED, sum_up

UPKEEP_COMMITS: Final = 256
"""Commits between two compactions, about a minute."""

SUMMED_COMMITS: Final = 16
"""Commits between two sums of credits: some hundred credits take no longer than a few."""

REACH_MAX: Final = 1024
"""Compactions that a merge reaches back at most, about a day; later hours are counted later."""

_MERGED: Final = {
    "match_deltas": """
select advertiser_id, event_source_id, event_type, hour,
  sum(received)::bigint as received, sum(test)::bigint as test, sum(rejected)::bigint as rejected,
  sum(duplicate)::bigint as duplicate, sum(duplicate_changed)::bigint as duplicate_changed,
  sum(observed)::bigint as observed, sum(attributed)::bigint as attributed,
  sum(unattributed)::bigint as unattributed, sum(no_identifier)::bigint as no_identifier,
  sum(too_old)::bigint as too_old, sum(no_touchpoint)::bigint as no_touchpoint,
  sum(click_through)::bigint as click_through, sum(view_through)::bigint as view_through,
  sum(probabilistic)::bigint as probabilistic, sum_maps(list(carries)) as carries,
  sum_maps(list(matched_on)) as matched_on, sum_maps(list(dropped)) as dropped,
  sum_maps(list(warnings)) as warnings, sum(quality_sum)::decimal(38,12) as quality_sum,
  sum(limited)::bigint as limited""",
    "touchpoint_deltas": """
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, type, hour,
  sum(records)::bigint as records, sum(duplicates)::bigint as duplicates, sum(spend) as spend,
  currency""",
    "credit_deltas": f"""
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, day, currency,
  {EARNED}""",
    "overlap_deltas": """
select advertiser_id, campaign_id, other_campaign_id, sum(conversions)::bigint as conversions,
  sum(won)::bigint as won""",
    "read_offsets": "select stream, source_partition, max(next_offset) as next_offset",
}
"""How rows of the same key are merged into one."""

_SUPERSEDED: Final = """
delete from {table} where seq <= $until and conversion_id in (
  select conversion_id from conversions_final where seq > $since and seq <= $until)"""


@dataclass(slots=True)
class Compaction:
    """Compacts the result file in the transactions of one writer.

    `pruned` is the commit up to which final rows have been processed. It need not survive a
    restart: no final row is older than its provisional one, so it is derived from the oldest of
    these.
    """

    connection: duckdb.DuckDBPyConnection
    pruned: int

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection) -> "Compaction":
        """Resume the compaction of an existing file."""
        ((oldest,),) = connection.execute(
            "select coalesce(min(seq), 1) from conversions_provisional"
        ).fetchall()
        return cls(connection, oldest - 1)

    def run(self, seq: int) -> None:
        """Compact if it is due in commit `seq`, within its transaction."""
        count, rest = divmod(seq, UPKEEP_COMMITS)
        # Before a merge, too: merged sums count as sums of all commits until then.
        if rest == 0 or seq % SUMMED_COMMITS == 0:
            sum_up(self.connection, until=seq - 1)
        if rest == 0:
            self.prune(until=seq - 1)
            # The lowest bit: every second merge reaches twice as far, every fourth four times, ...
            # so merges go on for ever, but each row is merged only a few times.
            reach = min(count & -count, REACH_MAX)
            self.merge(since=seq - 1 - reach * UPKEEP_COMMITS, until=seq - 1)

    def prune(self, *, until: int) -> None:
        """Delete the provisional rows of conversions that are final."""
        for table in ("credits_provisional", "conversions_provisional"):
            self.connection.execute(
                _SUPERSEDED.format(table=table), {"since": self.pruned, "until": until}
            )
        self.pruned = until

    def merge(self, *, since: int, until: int) -> None:
        """Replace the deltas and positions of the commits after `since` by their sums."""
        span = f"seq > {since} and seq <= {until}"
        for table, merged in _MERGED.items():
            rows = self.connection.execute(
                f"{merged}, {until}::bigint as seq from {table} where {span} group by all"
            ).to_arrow_table()
            self.connection.execute(f"delete from {table} where {span}")
            self.connection.register("merged", rows)
            self.connection.execute(f"insert into {table} by name from merged")
            self.connection.unregister("merged")
