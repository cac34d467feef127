"""A manifest held against its graph: every node and input that it names must be there, and be what it says."""

from __future__ import annotations

from collections.abc import Sequence

from service import graph as graphs
from service.declaration import did_you_mean
from service.errors import Problem
from service.manifest import Manifest
from service.manifest_keys import Target
from service.strict_yaml import Document
from service.typed_yaml import locate


class Fit:
    """Holds a manifest against its graph: every node and input that it names must be there, and be what it says."""

    def __init__(self, graph: graphs.Graph, document: Document) -> None:
        self.graph = graph
        self.document = document
        self.problems: list[Problem] = []

    def targets(self, manifest: Manifest) -> dict[str, tuple[tuple[str, str], ...]]:
        """Return where each parameter goes, as (node, input)."""
        return {
            field: tuple(self._target(target, ("parameters", field)) for target in parameter.to)
            for field, parameter in manifest.parameters.declared().items()
        }

    def skip(self, manifest: Manifest) -> tuple[str, str] | None:
        """Return the input that says how many frames are passed over, where a long video is rendered in parts."""
        return self._target(manifest.chunks.skip, ("chunks", "skip")) if manifest.chunks is not None else None

    def _target(self, target: Target, location: tuple[str, ...]) -> tuple[str, str]:
        node = target.node if target.node is not None else self._titled(str(target.title), location)
        if node is not None:
            self._plain_input(node, target.input, location)
        return node or "", target.input

    def check(self, manifest: Manifest) -> None:
        """Check everything in a manifest that names a node."""
        for role, declared in manifest.media.declared().items():
            self._plain_input(declared.node, declared.input, ("media", role))
        self._plain_input(manifest.output.node, manifest.output.prefix, ("output",))
        for node in manifest.progress:
            self._has(node, ("progress", node))
        for position, optional in enumerate(manifest.optional_nodes):
            self._optional(optional.node, optional.strength, optional.passes, ("optional_nodes", position))
        self._switches(manifest)
        for key, configured in manifest.configured.declared().items():
            for target in configured.to:
                self._target(target, ("configured", key))
        for position, rung in enumerate(manifest.ladder):
            for name in rung:
                if name not in manifest.parameters.declared():
                    self._say(f"There is no parameter {name} to shrink.", ("ladder", position, name))
        if manifest.sizes is not None and manifest.sizes.follow not in manifest.media.declared():
            self._say("sizes follows a role that media doesn't have.", ("sizes", "follow"))
        self._followed(manifest)
        self._lasting(manifest)
        self._parted(manifest)
        self._chained(manifest)
        names = manifest.parameters.declared()
        for position, model in enumerate(manifest.needs.models):
            if model.parameter is not None and model.parameter not in names:
                self._say(f"There is no parameter {model.parameter}.", ("needs", "models", position, "parameter"))

    def _switches(self, manifest: Manifest) -> None:
        for name, switch in manifest.switches.items():
            for position, left_out in enumerate(switch.nodes):
                location = ("switches", name, "nodes", position)
                if self._has(left_out.node, location):
                    self._passed(left_out.node, left_out.passes, location)
            for position, value in enumerate(switch.values):
                self._plain_input(value.node, value.input, ("switches", name, "values", position))
            role = manifest.media.declared().get(switch.role) if switch.role is not None else None
            if switch.role is not None and (role is None or role.required):
                fix = "Give that role required: false, or take role out of the switch."
                self._say(f"{name} depends on a role that each job brings, or none.", ("switches", name, "role"), fix)
        switched = {switch.role for switch in manifest.switches.values()}
        for role_name, declared in manifest.media.declared().items():
            if not declared.required and role_name not in switched:
                fix = f"Write a switch with role: {role_name}, which leaves out what hangs on it."
                self._say(f"{role_name} needn't be brought, and no switch says what then.", ("media", role_name), fix)

    def _chained(self, manifest: Manifest) -> None:
        place = manifest.loras
        if place is None:
            if manifest.sliders.declared():
                fix = "Add loras: {model: {node: …}}, the output behind which they are put."
                self._say("sliders need a place for their LoRAs.", ("sliders",), fix)
            return
        for name in ("model", "clip"):
            end = getattr(place, name)
            if end is None or not self._has(end.node, ("loras", name)):
                continue
            if not any(each[2:] == (end.node, end.output) for each in graphs.links(self.graph)):
                title = f"Nothing of the graph takes output {end.output} of node {end.node}."
                self._say(title, ("loras", name))

    def _followed(self, manifest: Manifest) -> None:
        follow = manifest.output.follow
        role = manifest.media.declared().get(follow) if follow is not None else None
        if follow is not None and role is None:
            self._say("output follows a role that media doesn't have.", ("output", "follow"))
        elif role is not None and role.kind != "video":
            fix = "Name a role of kind video, or take follow out."
            self._say(f"output follows {follow}, which is a picture.", ("output", "follow"), fix)

    def _lasting(self, manifest: Manifest) -> None:
        if manifest.length is None:
            return
        role = manifest.media.declared().get(manifest.length.follow)
        if role is None or role.kind != "video":
            self._say("length follows a role that media doesn't have as a video.", ("length", "follow"))
        if manifest.parameters.frames is None:
            self._say("length needs a parameter frames to set.", ("length",), "Add frames to parameters.")

    def _parted(self, manifest: Manifest) -> None:
        if manifest.chunks is None:
            return
        if manifest.length is None or manifest.output.follow != manifest.length.follow:
            fix = "Write length and output with follow and that role."
            self._say("chunks needs a video whose length and sound the result has.", ("chunks",), fix)

    def _optional(self, node: str, strength: str, passes: Sequence[str], location: tuple[int | str, ...]) -> None:
        self._plain_input(node, strength, location)
        if node in self.graph:
            self._passed(node, passes, location)

    def _passed(self, node: str, passes: Sequence[str], location: tuple[int | str, ...]) -> None:
        for key in passes:
            if not graphs.is_link(self.graph[node]["inputs"].get(key)):
                self._say(f"Node {node} has no link {key} to pass on.", location)
        used = [output for _, _, source, output in graphs.links(self.graph) if source == node]
        if used and max(used) >= len(passes):
            self._say(f"passes doesn't say what output {max(used)} of node {node} becomes.", location)

    def _titled(self, title: str, location: tuple[str, ...]) -> str | None:
        found = [name for name, node in self.graph.items() if node.get("_meta", {}).get("title") == title]
        if len(found) == 1:
            return found[0]
        self._say(f"{len(found) or 'No'} nodes of the graph have the title {title!r}.", location)
        return None

    def _plain_input(self, node: str, key: str, location: tuple[int | str, ...]) -> None:
        if not self._has(node, location):
            return
        inputs = self.graph[node]["inputs"]
        if key not in inputs:
            close = did_you_mean(key, list(inputs), f"Its inputs are: {', '.join(inputs)}.")
            self._say(f"Node {node} has no input {key}.", location, close)
        elif graphs.is_link(inputs[key]):
            self._say(f"{key} of node {node} is a link, so no value can be set.", location)

    def _has(self, node: str, location: tuple[int | str, ...]) -> bool:
        if node not in self.graph:
            self._say(f"The graph has no node {node}.", location)
        return node in self.graph

    def _say(self, title: str, location: tuple[int | str, ...], fix: str = "Correct the manifest.") -> None:
        problem = Problem("bad_manifest", title, fix, field=".".join(str(step) for step in location))
        self.problems.append(problem.at(*locate(self.document, location)))
