"""Stateful stand-ins for GitHub and GitLab, with real Git behind them."""
