"""
A REFI-QDA project, as NVivo, MAXQDA, ATLAS.ti and QualCoder open it.

Each session is a document and a case; each task of a test is a code, with which its words are coded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element, SubElement, tostring
from zipfile import ZIP_DEFLATED, ZipFile

NAMESPACE = "urn:QDA-XML:project:1.0"
_ORIGIN = "usertesting-source"
_NO_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_VARIABLES = ("test", "finish_time")


class Project:
    """The project while it grows; ids are made of what they stand for, so that a later export has the same ones."""

    def __init__(self, made_at: datetime) -> None:
        self.texts: dict[str, str] = {}
        self._made_at = made_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._user = guid("user")
        self._codes: dict[str, dict[str, Element]] = {}
        self._titles: dict[str, str] = {}
        self._variables: dict[str, Element] = {}
        self._cases: list[Element] = []
        self._sources: list[Element] = []

    def add(self, session: Mapping[str, Any]) -> None:
        """One session, as `records.session_records` has it."""
        one = session["session_id"]
        source = Element("TextSource", {"guid": guid("source", one), "name": _name(session), **self._made()})
        source.set("plainTextPath", f"internal://{guid('source', one)}.txt")
        self.texts[guid("source", one)] = self._text(source, session)
        self._sources.append(source)
        case = Element("Case", guid=guid("case", one), name=_name(session))
        told = {"test": session["test_title"], "finish_time": session["finish_time"], **session["demographics"]}
        for label, value in told.items():
            if value:
                self._value(case, str(label), str(value))
        SubElement(case, "SourceRef", targetGUID=guid("source", one))
        self._cases.append(case)

    def xml(self) -> bytes:
        """The project's description; its parts in the order in which the schema wants them."""
        project = Element("Project", xmlns=NAMESPACE, name="UserTesting sessions", origin=_ORIGIN)
        project.set("creatingUserGUID", self._user)
        project.set("creationDateTime", self._made_at)
        SubElement(SubElement(project, "Users"), "User", guid=self._user, name=_ORIGIN)
        if self._codes:
            codes = SubElement(SubElement(project, "CodeBook"), "Codes")
            for test_id, tasks in self._codes.items():
                test = SubElement(codes, "Code", guid=guid("test", test_id), name=clean(self._titles[test_id]))
                test.set("isCodable", "true")
                test.extend(tasks.values())
        for name, parts in (
            ("Variables", list(self._variables.values())),
            ("Cases", self._cases),
            ("Sources", self._sources),
        ):
            if parts:
                SubElement(project, name).extend(parts)
        written: bytes = tostring(project, encoding="utf-8", xml_declaration=True)
        return written

    def _text(self, source: Element, session: Mapping[str, Any]) -> str:
        """The document, with each task's part of it coded."""
        text = ""
        said = list(session["chunks"])
        for task in session["answers"]:
            start = len(text)
            text += _task(task, [chunk for chunk in said if chunk["task_number"] == task["task_number"]])
            self._coded(source, session, task, start, len(text.rstrip()))
        numbers = {task["task_number"] for task in session["answers"]}
        text += _task({}, [chunk for chunk in said if chunk["task_number"] not in numbers])
        return text.rstrip() + "\n"

    def _coded(
        self, source: Element, session: Mapping[str, Any], task: Mapping[str, Any], start: int, end: int
    ) -> None:
        where = (session["session_id"], str(task["task_uuid"]))
        selection = SubElement(source, "PlainTextSelection", {"guid": guid("selection", *where), **self._made()})
        selection.set("name", clean(f"Task {task['task_number']}"))
        selection.set("startPosition", str(start))
        selection.set("endPosition", str(end))
        coding = SubElement(selection, "Coding", {"guid": guid("coding", *where), **self._made()})
        SubElement(coding, "CodeRef", targetGUID=self._code(session, task))

    def _code(self, session: Mapping[str, Any], task: Mapping[str, Any]) -> str:
        test_id, task_uuid = session["test_id"], str(task["task_uuid"])
        self._titles[test_id] = session["test_title"]
        codes = self._codes.setdefault(test_id, {})
        if task_uuid not in codes:
            name = clean(f"{task['task_number']}. {task['task_text'] or task['task_type'] or 'Task'}")
            codes[task_uuid] = Element("Code", guid=guid("task", test_id, task_uuid), name=name, isCodable="true")
        return codes[task_uuid].attrib["guid"]

    def _value(self, case: Element, label: str, value: str) -> None:
        if label not in self._variables:
            self._variables[label] = Element(
                "Variable", guid=guid("variable", label), name=clean(label), typeOfVariable="Text"
            )
        told = SubElement(case, "VariableValue")
        SubElement(told, "VariableRef", targetGUID=guid("variable", label))
        SubElement(told, "TextValue").text = clean(value)

    def _made(self) -> dict[str, str]:
        return {"creatingUser": self._user, "creationDateTime": self._made_at}


def write_project(path: Path, sessions: Iterable[Mapping[str, Any]], made_at: datetime | None) -> None:
    """Writes the project of these `sessions` as a `.qdpx` file."""
    project = Project(made_at or datetime.now(timezone.utc))
    for session in sessions:
        project.add(session)
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        packed.writestr("project.qde", project.xml())
        for name, text in project.texts.items():
            packed.writestr(f"sources/{name}.txt", text.encode())


def guid(*parts: str) -> str:
    """An id of what `parts` name, always the same."""
    return str(uuid5(NAMESPACE_URL, "/".join(("usertesting-source", *parts))))


def clean(text: str) -> str:
    """`text` without characters that XML cannot hold, on one kind of line ends."""
    return _NO_XML.sub(" ", text).replace("\r\n", "\n").replace("\r", "\n")


def _name(session: Mapping[str, Any]) -> str:
    return clean(f"{session['test_title']} · {session['participant_id'] or 'unknown'} · {session['session_id'][:8]}")


def _task(task: Mapping[str, Any], said: Iterable[Mapping[str, Any]]) -> str:
    """The part of the document that belongs to a task."""
    lines = [f"{task['task_number']}. {task['task_text'] or task['task_type'] or 'Task'}"] if task else []
    if task.get("skipped"):
        lines.append("(skipped)")
    if task.get("answer_number") is not None:
        lines.append(f"Answer: {task['answer_number']:g}")
    if task.get("answer_success") is not None:
        lines.append("Completed" if task["answer_success"] else "Not completed")
    if task.get("answer_text"):
        lines.append(f"Answer: {task['answer_text']}")
    lines += [f"[{chunk['at']}] {chunk['text']}" for chunk in said]
    return clean("\n".join(lines)) + "\n\n" if lines else ""
