"""System checks: one for each way to misconfigure."""


def refuse_unsafe_start() -> None:
    return None
