"""Connections to addresses that users name: checked, bounded, never inside."""
