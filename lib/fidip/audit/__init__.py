"""Audit of data sets: faults of labels and pictures, leaks between splits, and their correction."""

from fidip.audit.correct import fix_json, recheck, write_fixed
from fidip.audit.disjoint import tied_pictures
from fidip.audit.examine import Audit, as_json, audit_splits, examine
from fidip.audit.findings import Finding, Place, count_findings
from fidip.audit.fix import CHANGES, Change, Fixed, fix_split
from fidip.audit.kinds import DROPPABLE, KINDS, Kind
from fidip.audit.page import audit_page
from fidip.audit.pictures import scan_pictures
from fidip.audit.splits import AuditSplit, load_split
from fidip.audit.table import audit_text, change_text

__all__ = [
    "CHANGES",
    "DROPPABLE",
    "KINDS",
    "Audit",
    "AuditSplit",
    "Change",
    "Finding",
    "Fixed",
    "Kind",
    "Place",
    "as_json",
    "audit_page",
    "audit_splits",
    "audit_text",
    "change_text",
    "count_findings",
    "examine",
    "fix_json",
    "fix_split",
    "load_split",
    "recheck",
    "scan_pictures",
    "tied_pictures",
    "write_fixed",
]
