# SPDX-License-Identifier: Apache-2.0
"""What test programs in Python count and say."""

failures = checks = 0


def check(what, condition, detail=""):
    global failures, checks
    checks += 1
    if not condition:
        failures += 1
        print(f"FAILED: {what}: {str(detail)[:6000]}", flush=True)
    return condition


def finish():
    """The line that counts them, and the exit status."""
    print(f"{checks} checks, {failures} failures")
    return 1 if failures or not checks else 0
