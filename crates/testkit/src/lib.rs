//! Scripted models, a fake upstream with faults, a replay server, conformance suites.
