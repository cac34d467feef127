"""Inheritance: what an earlier life of ours, or publishing, left running at a backend is followed again."""

from __future__ import annotations

from collections.abc import Iterator

from service.connection import Connection, client_at
from service.dispatch import Dispatch
from service.errors import Unavailable
from service.following import Following
from service.job import Hold, Job, State
from service.neighbours import Publisher, Server
from service.pursuit import Pursuit, Where
from service.register import Register
from service.store import utc_now


class Inheritance:
    """The running jobs of one backend that nobody works on; used by its lane's thread alone."""

    def __init__(
        self, name: str, server: Server, register: Register, publisher: Publisher, at: Following, dispatch: Dispatch
    ) -> None:
        self._name = name
        self._server = server
        self._register = register
        self._store = register.store
        self._publisher = publisher
        self._at = at
        self._dispatch = dispatch

    def take_up(self, connection: Connection, *, refused: bool) -> None:
        """Follow them: the server may have their prompts already. `refused`: it was found dead in this life of ours."""
        for left in self._left_behind():
            job = self._register.change(left.id, engine=connection.engine, hold=None)
            pursuit = self._pursue(job, gone=self._server.embedded or refused)
            if self._is_published(pursuit):
                self._publisher.publish(job, pursuit.render, (), connection.client, connection.files)

    def take_up_away(self, hold: Hold, *, refused: bool) -> None:
        """Follow them though their backend is away: they wait, are cancelled or move on like all others there."""
        for job in self._left_behind():
            if self._server.embedded:
                # It is started anew in a moment, and no other backend stands beside it.
                self._register.hold(job.id, hold)
                continue
            pursuit = self._pursue(job, gone=refused)
            pursuit.was_taken = job.stage != "sending"
            if self._is_published(pursuit):
                self._end_published(pursuit, hold)

    def _left_behind(self) -> Iterator[Job]:
        # Asked before the states: a job that ends meanwhile must not look like one that nobody works on.
        busy = self._publisher.busy()
        for job_id in self._store.running_on(self._name):
            if job_id in busy or job_id in self._at.pursuits:
                continue
            job = self._store.get(job_id)
            if job is not None and job.state is State.RUNNING:
                yield job

    def _pursue(self, job: Job, *, gone: bool) -> Pursuit:
        pursuit = self._dispatch.pursue(job, self._dispatch.planned(job), Where.SENT)
        self._at.look_now()
        if not self._dispatch.was_sent_here(pursuit.prompt_id):
            # The engine of the daemon's earlier life died with it; another server may have been found dead.
            pursuit.inherit(gone=gone)
        return pursuit

    def _is_published(self, pursuit: Pursuit) -> bool:
        """Tell whether an earlier life got as far as the outbox, so that what is left needs no server."""
        try:
            published = self._publisher.published(pursuit.job)
        except Unavailable as away:
            # The outbox is offline: whether the result lies there, nobody can tell now.
            self._register.hold(pursuit.job.id, Hold(away.code, away.title, away.fix, utc_now()))
            self._at.drop(pursuit)
            self._dispatch.withhold()
            return False
        if published:
            self._at.drop(pursuit)
        return published

    def _end_published(self, pursuit: Pursuit, hold: Hold) -> None:
        try:
            client = client_at(self._server.url(), self._server.reach())
        except Unavailable:
            self._register.hold(pursuit.job.id, hold)
            return
        self._publisher.publish(pursuit.job, pursuit.render, (), client)
