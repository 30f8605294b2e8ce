"""What the benches share: logs, processes, feeds and pictures."""
