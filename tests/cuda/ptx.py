"""Runs PTX on the host: what nvcc makes of the kernels, tensor core instructions included, as the
PTX manual describes it; block after block, its threads in lockstep as numpy vectors.

Only what the kernels use is there.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from tests.cuda.ptx_arithmetic import MEANINGS, TYPES
from tests.cuda.ptx_memory import SEVERAL, GlobalMemory, Memory, PtxError, SharedMemory

Lanes = slice | np.ndarray
Step = Callable[[Lanes], Any]

WARP = 32
PAGE = 4096


class Unknown(Exception):
    """A statement that is not described here."""


@dataclass(frozen=True)
class Instruction:
    """As it is written."""

    text: str
    opcode: tuple[str, ...]  # the parts between its dots
    operands: tuple[str, ...]
    guard: str  # the predicate that it depends on, "!" before that for its opposite; or ""


@dataclass(frozen=True)
class Action:
    """What an instruction does."""

    instruction: Instruction
    step: Step
    scope: str = ""  # "warp" or "block": who has to come together for it
    jumps: bool = False  # the step gives where the threads go on


class Kernel:
    """An entry of a PTX text, for blocks of so many threads.

    Raises:
        PtxError: these are more threads than it takes.
        Unknown: it has a statement that is not described here.
    """

    def __init__(self, text: str, name: str, threads: int):
        self._threads = np.arange(threads, dtype=np.uint32)
        self._block = (0, 0)
        self._registers: dict[str, np.ndarray] = {}
        self._poisoned: list[np.ndarray] = []
        self._symbols = {f"{name}_param_0": 0}
        process = (ctypes.c_uint8 * (2**47 - PAGE)).from_address(PAGE)
        self._shared = SharedMemory(0)
        self._global = GlobalMemory(np.frombuffer(process, np.uint8), PAGE)
        self._memory: dict[str, Memory] = {"global": self._global}
        self._labels: dict[str, int] = {}
        program = self._parse(text, name)
        self._end = len(program)
        self._uses = Counter(re.findall(r"%\w+", " ".join(line.text for line in program)))
        self._actions = [self._action(at, line) for at, line in enumerate(program)]

    def run(self, grid: tuple[int, int], parameter: bytes) -> None:
        """All blocks of a grid; addresses in the parameter are those of this process.

        Raises:
            PtxError: threads do not come to a barrier together, or an access is not aligned or out
                of the bounds of shared memory.
        """
        self._memory["param"] = Memory(np.frombuffer(parameter, np.uint8))
        with np.errstate(all="ignore"):
            for y, x in product(range(grid[1]), range(grid[0])):
                self._block = (x, y)
                for garbage in self._poisoned:
                    garbage[...] = 0xFF  # NaN, read as floats or halves
                self._barrier()
                self._run_block()
                self._global.end_block()
            self._global.end_grid()

    def _barrier(self) -> None:
        self._shared.barrier()
        self._global.barrier()

    def _run_block(self) -> None:
        """Those threads go on whose next instruction comes first, and so meet the others again."""
        at = self._run_together(0)
        waits = np.zeros(len(self._threads), dtype=bool)
        while (can := ~waits & (at < self._end)).any():
            if can.all() and (at == at[0]).all():
                at = self._run_together(int(at[0]))
                continue
            now = int(at[can].min())
            here = at == now
            waits[here] = False
            until = int(at[at > now].min(initial=self._end))
            lanes = _lanes(here)
            while now < until:
                action = self._actions[now]
                if action.scope:
                    come = _come(here, action.scope)
                    waits[here] = ~come[here]
                    at[here] = now + come[here]
                    if come.any():
                        _do(action, _lanes(come))
                    break
                found = _do(action, lanes)
                now += 1
                if action.jumps:
                    at[lanes] = found
                    break
            else:
                at[lanes] = now
        if waits.any():
            text = self._actions[at[waits].min()].instruction.text
            raise PtxError(f"{waits.sum()} threads wait for others at {text}")

    def _run_together(self, now: int) -> np.ndarray:
        """All threads, from this instruction on until they part: where each of them goes on."""
        everyone = slice(None)
        while now < self._end:
            action = self._actions[now]
            found = _do(action, everyone)
            now += 1
            if action.jumps:
                if np.ndim(found) and (found != found[0]).any():
                    return found
                now = int(found[0] if np.ndim(found) else found)
        return np.full(len(self._threads), now)

    def _parse(self, text: str, name: str) -> list[Instruction]:
        found = re.search(rf"\.entry {name}\((.*?)\n\{{(.*?)\n\}}", text, re.DOTALL)
        if not found:
            raise Unknown(f"no kernel {name}")
        if (most := re.search(r"\.maxntid (\d+)", found[1])) and int(most[1]) < len(self._threads):
            raise PtxError(f"{len(self._threads)} threads; {name} takes at most {most[1]}")
        program: list[Instruction] = []
        for statement in re.sub(r"//.*", "", found[2]).split(";"):
            statement = re.sub(r"\s+", " ", statement).lstrip("{} ")
            while label := re.match(r"([\w$]+):[{} ]*", statement):
                self._labels[label[1]] = len(program)
                statement = statement[label.end() :]
            if statement.startswith("."):
                self._declare(statement)
            elif statement:
                parts = re.fullmatch(r"(?:@(!?%p\d+) )?([\w.]+)(.*)", statement)
                if not parts:
                    raise Unknown(statement)
                operands = re.findall(r"\{[^}]*\}|\[[^]]*\]|[^,\s]+", parts[3])
                opcode = tuple(parts[2].split("."))
                program.append(Instruction(statement, opcode, tuple(operands), parts[1] or ""))
        return program

    def _declare(self, statement: str) -> None:
        if found := re.fullmatch(r"\.reg \.(\w+) (.*)", statement):
            many = re.fullmatch(r"(.*)<(\d+)>", found[2])
            names = [f"{many[1]}{i}" for i in range(int(many[2]))] if many else found[2].split(",")
            dtype = TYPES[found[1]]
            raw = dtype if dtype.kind == "b" else f"u{dtype.itemsize}"
            values = np.zeros((len(names), len(self._threads)), raw)
            self._registers.update(zip(names, values, strict=True))
            if dtype.kind != "b":
                self._poisoned.append(values.view(np.uint8))
        elif found := re.fullmatch(r"\.shared \.align \d+ \.b8 (\w+)\[(\d+)\]", statement):
            if self._shared.contents.size:
                raise Unknown("a second object in shared memory")
            self._symbols[found[1]] = 0
            self._memory["shared"] = self._shared = SharedMemory(int(found[2]))
            self._poisoned.append(self._shared.contents)
        elif not statement.startswith(".pragma"):
            raise Unknown(statement)

    # Operands

    def _read(self, operand: str, dtype: np.dtype) -> Step:
        """An operand's values, for each of the lanes or for all."""
        if operand in self._registers:
            values = self._registers[operand]
            if values.dtype == dtype:
                return lambda lanes: values[lanes]
            if values.dtype.itemsize == dtype.itemsize:
                return lambda lanes: values[lanes].view(dtype)
            return lambda lanes: values[lanes].astype(f"u{dtype.itemsize}").view(dtype)
        if operand.startswith("!"):
            opposite = self._read(operand[1:], dtype)
            return lambda lanes: ~opposite(lanes)
        if operand == "%tid.x":
            return lambda lanes: self._threads[lanes]
        if operand in ("%ctaid.x", "%ctaid.y"):
            axis = "xy".index(operand[-1])
            return lambda lanes: np.uint32(self._block[axis])
        constant = self._constant(operand, dtype)
        return lambda lanes: constant

    def _constant(self, operand: str, dtype: np.dtype) -> Any:
        if operand in self._symbols:
            return dtype.type(self._symbols[operand])
        if re.fullmatch(r"0f[0-9A-F]{8}", operand):
            return np.uint32(int(operand[2:], 16)).view(dtype)
        if not re.fullmatch(r"-?\d+", operand):
            raise Unknown(operand)
        if dtype.kind == "b":
            return np.bool_(int(operand))
        bits = np.uint64(int(operand) % (1 << 8 * dtype.itemsize))
        return bits.astype(f"u{dtype.itemsize}").view(dtype)

    def _reads(self, operand: str, dtype: np.dtype) -> Step:
        """One operand, or several in braces: [lanes, their number]."""
        reads = [self._read(part, dtype) for part in _parts(operand)]

        def read_all(lanes: Lanes) -> np.ndarray:
            values = np.empty((self._count(lanes), len(reads)), dtype)
            for column, read in enumerate(reads):
                values[:, column] = read(lanes)
            return values

        return read_all

    def _count(self, lanes: Lanes) -> int:
        return len(self._threads) if isinstance(lanes, slice) else len(lanes)

    def _write(self, operand: str) -> Callable[[Lanes, Any], None]:
        values = self._registers[operand]

        def write(lanes: Lanes, value: Any) -> None:
            values[lanes] = value.view(f"u{value.itemsize}") if value.dtype.kind == "f" else value

        return write

    def _writes(self, operand: str) -> Callable[[Lanes, Any], None]:
        """Columns of [lanes, n] to one operand, or to n in braces."""
        writes = [self._write(part) for part in _parts(operand)]

        def write(lanes: Lanes, values: Any) -> None:
            for column, each in enumerate(writes):
                each(lanes, np.ascontiguousarray(values[:, column]))

        return write

    def _address(self, operand: str) -> Step:
        found = re.fullmatch(r"\[([%\w$]+)(?:\+(-?\d+))?\]", operand)
        if not found:
            raise Unknown(operand)
        base = self._read(found[1], TYPES["s64" if found[1].startswith("%rd") else "u32"])
        offset = int(found[2] or 0)

        def address(lanes: Lanes) -> np.ndarray:
            values = base(lanes).astype(np.int64) + offset
            return values if values.ndim else np.full(self._count(lanes), values)

        return address

    # Instructions

    def _action(self, at: int, instruction: Instruction) -> Action:
        try:
            return self._meaning(at, instruction)
        except (KeyError, ValueError, TypeError) as error:
            raise Unknown(f"{instruction.text}: {error!r}") from error

    def _meaning(self, at: int, instruction: Instruction) -> Action:
        (operation, *how), operands = instruction.opcode, instruction.operands
        guard = self._read(instruction.guard or "1", TYPES["pred"])
        if operation in ("bra", "ret"):
            target = self._labels[operands[0]] if operation == "bra" else self._end
            jump = lambda lanes: np.where(guard(lanes), target, at + 1)  # noqa: E731
            return Action(instruction, jump, jumps=True)
        scope = {"bar": "block", "vote": "warp", "shfl": "warp", "mma": "warp", "ldmatrix": "warp"}
        special = getattr(self, f"_{operation}", None)
        step = special(how, operands) if special else self._arithmetic(operation, how, operands)
        if not instruction.guard:
            return Action(instruction, step, scope.get(operation, ""))
        if operation in scope:
            raise Unknown(instruction.text)

        def guarded(lanes: Lanes) -> None:
            chosen = self._threads[lanes][guard(lanes)]
            if len(chosen):
                step(chosen)

        return Action(instruction, guarded)

    def _arithmetic(self, operation: str, how: list[str], operands: tuple[str, ...]) -> Step:
        function, dtypes = MEANINGS[operation](*how)
        reads = [self._read(o, d) for o, d in zip(operands[1:], dtypes, strict=True)]
        write = self._write(operands[0])
        if len(reads) == 2:  # most have two operands, and a general call takes twice as long
            first, second = reads
            return lambda lanes: write(lanes, function(first(lanes), second(lanes)))
        return lambda lanes: write(lanes, function(*[read(lanes) for read in reads]))

    def _mov(self, how: list[str], operands: tuple[str, ...]) -> Step:
        (kind,), (to, source) = how, operands
        parts = max(len(_parts(to)), len(_parts(source)))
        if parts == 1:
            read, write = self._read(source, TYPES[kind]), self._write(to)
            return lambda lanes: write(lanes, read(lanes))
        whole, part = TYPES[kind], np.dtype(f"u{TYPES[kind].itemsize // parts}")
        from_parts = source.startswith("{")
        reads = self._reads(source, part if from_parts else whole)
        writes, made = self._writes(to), whole if from_parts else part
        return lambda lanes: writes(lanes, reads(lanes).view(made))

    def _ld(self, how: list[str], operands: tuple[str, ...]) -> Step:
        memory, dtype, count = self._access(how)
        write, address = self._writes(operands[0]), self._address(operands[1])

        def load(lanes: Lanes) -> None:
            contents, places = memory().at(address(lanes), dtype, count)
            write(lanes, contents[places].view(dtype))
            memory().touch(places, dtype.itemsize, self._threads[lanes], writes=False)

        return load

    def _st(self, how: list[str], operands: tuple[str, ...]) -> Step:
        memory, dtype, count = self._access(how)
        address, reads = self._address(operands[0]), self._reads(operands[1], dtype)

        def store(lanes: Lanes) -> None:
            contents, places = memory().at(address(lanes), dtype, count)
            contents[places] = reads(lanes).view(contents.dtype)
            memory().touch(places, dtype.itemsize, self._threads[lanes], writes=True)

        return store

    def _access(self, how: list[str]) -> tuple[Callable[[], Memory], np.dtype, int]:
        """The address space, and how many values of which type are at an address."""
        space, *vector, kind = [part for part in how if part not in ("volatile", "cg")]
        if space not in ("global", "shared", "param") or vector not in ([], ["v2"], ["v4"]):
            raise ValueError(how)
        return lambda: self._memory[space], TYPES[kind], int(vector[0][1:]) if vector else 1

    def _atom(self, how: list[str], operands: tuple[str, ...]) -> Step:
        space, operation, kind = how
        if space != "global" or kind[0] == "f":
            raise ValueError(how)
        function = {"add": np.add, "or": np.bitwise_or}[operation]
        memory, dtype, _ = self._access([space, kind])
        write, address = self._write(operands[0]), self._address(operands[1])
        reads, waits = self._reads(operands[2], dtype), self._uses[operands[0]] > 1

        def update(lanes: Lanes) -> None:
            contents, places = memory().at(address(lanes), dtype, 1)
            values = reads(lanes)[:, 0]
            memory().touch(places, dtype.itemsize, self._threads[lanes], writes=True)
            before = np.empty(len(places), contents.dtype)

            def change() -> None:
                for i, (place, value) in enumerate(zip(places[:, 0], values, strict=True)):
                    before[i] = contents[place]
                    contents[place] = function(contents[place], value)

            if waits:
                change()
                write(lanes, before)
            else:
                self._global.post(change)

        return update

    def _membar(self, how: list[str], operands: tuple[str, ...]) -> Step:
        if how != ["gl"]:
            raise ValueError(how)
        return lambda lanes: self._global.fence(self._threads[lanes])

    def _fence(self, how: list[str], operands: tuple[str, ...]) -> Step:
        if how not in (["acq_rel", "gpu"], ["sc", "gpu"]):
            raise ValueError(how)
        return self._membar(["gl"], operands)

    def _bar(self, how: list[str], operands: tuple[str, ...]) -> Step:
        if how == ["sync"] and operands == ("0",):
            return lambda lanes: self._barrier()
        to, barrier, vote = operands
        reduce = {
            ("red", "popc", "u32"): lambda votes: np.uint32(votes.sum()),
            ("red", "or", "pred"): lambda votes: np.bool_(votes.any()),
        }[tuple(how)]
        if barrier != "0":
            raise ValueError(barrier)
        write, votes = self._write(to), self._reads(vote, TYPES["pred"])

        def vote_and_meet(lanes: Lanes) -> None:
            self._barrier()
            write(lanes, reduce(votes(lanes)))

        return vote_and_meet

    def _vote(self, how: list[str], operands: tuple[str, ...]) -> Step:
        if how != ["sync", "ballot", "b32"]:
            raise ValueError(how)
        write, votes = self._write(operands[0]), self._reads(operands[1], TYPES["pred"])
        whole = self._must_be(operands[2], 0xFFFFFFFF)

        def ballot(lanes: Lanes) -> None:
            whole(lanes)
            bits = votes(lanes).reshape(-1, WARP) << np.arange(WARP, dtype=np.uint32)
            write(lanes, bits.sum(1, dtype=np.uint32).repeat(WARP))

        return ballot

    def _shfl(self, how: list[str], operands: tuple[str, ...]) -> Step:
        if how != ["sync", "bfly", "b32"]:
            raise ValueError(how)
        write, inside = (self._write(part) for part in operands[0].split("|"))
        value, distance = (self._reads(operand, TYPES["b32"]) for operand in operands[1:3])
        unclamped, whole = self._must_be(operands[3], 31), self._must_be(operands[4], 0xFFFFFFFF)

        def exchange(lanes: Lanes) -> None:
            unclamped(lanes)
            whole(lanes)
            partner = np.arange(WARP) ^ distance(lanes).reshape(-1, WARP)
            write(lanes, np.take_along_axis(value(lanes).reshape(-1, WARP), partner, 1).ravel())
            inside(lanes, np.bool_(True))

        return exchange

    def _must_be(self, operand: str, expected: int) -> Step:
        reads = self._reads(operand, TYPES["b32"])

        def check(lanes: Lanes) -> None:
            if (reads(lanes) != expected).any():
                raise PtxError(f"{operand} is not {expected}")

        return check

    def _mma(self, how: list[str], operands: tuple[str, ...]) -> Step:
        """Lane 4g + t has A[g + 8i][8k + 2t + j] in half j of register 2k + i, B[8k + 2t + j][g] in
        half j of register k, and C[g + 8i][2t + j] in register 2i + j."""
        shapes = {"m16n8k8": 1, "m16n8k16": 2}
        k = shapes[how[2]]
        expected = ["sync", "aligned", how[2], "row", "col", "f32", "f16", "f16", "f32"]
        if how != expected or [len(_parts(o)) for o in operands] != [4, 2 * k, k, 4]:
            raise ValueError(how)
        write, c = self._writes(operands[0]), self._reads(operands[3], TYPES["f32"])
        a, b = (self._reads(operand, TYPES["b32"]) for operand in operands[1:3])

        def multiply(lanes: Lanes) -> None:
            # Axes: warp, g, t, k, i, j of A; warp, g, t, k, j of B; warp, g, t, i, j of C.
            left = a(lanes).view("f2").astype("f4").reshape(-1, 8, 4, k, 2, 2)
            right = b(lanes).view("f2").astype("f4").reshape(-1, 8, 4, k, 2)
            left = left.transpose(0, 4, 1, 3, 2, 5).reshape(-1, 16, 8 * k)
            right = right.transpose(0, 3, 2, 4, 1).reshape(-1, 8 * k, 8)
            found = (left @ right).reshape(-1, 2, 8, 4, 2).transpose(0, 2, 3, 1, 4)
            write(lanes, found.reshape(-1, 4) + c(lanes))

        return multiply

    def _ldmatrix(self, how: list[str], operands: tuple[str, ...]) -> Step:
        """Lane 8m + r brings the address of row r of matrix m; lane 4g + t gets elements 2t and
        2t + 1 of row g of each, or of column g."""
        transposes = "trans" in how
        if how != ["sync", "aligned", "m8n8", "x4", *["trans"] * transposes, "shared", "b16"]:
            raise ValueError(how)
        write, address = self._writes(operands[0]), self._address(operands[1])

        def load(lanes: Lanes) -> None:
            contents, places = self._shared.at(address(lanes), TYPES["b16"], 8)
            self._shared.touch(places, 2, np.full(len(places), SEVERAL), writes=False)
            matrices = contents[places].reshape(-1, 4, 8, 8)  # warp, matrix, row, column
            if transposes:
                matrices = matrices.swapaxes(2, 3)
            pairs = matrices.reshape(-1, 4, 8, 4, 2).transpose(0, 2, 3, 1, 4)
            write(lanes, np.ascontiguousarray(pairs).view("u4").reshape(-1, 4))

        return load


def _parts(operand: str) -> list[str]:
    return [part.strip() for part in operand.strip("{}").split(",")]


def _lanes(chosen: np.ndarray) -> Lanes:
    return slice(None) if chosen.all() else np.flatnonzero(chosen)


def _come(here: np.ndarray, scope: str) -> np.ndarray:
    """Those of the threads here who need not wait for others."""
    groups = here.reshape(-1, WARP if scope == "warp" else len(here))
    return groups.all(1).repeat(groups.shape[1])


def _do(action: Action, lanes: Lanes) -> Any:
    try:
        return action.step(lanes)
    except (IndexError, PtxError) as error:
        raise PtxError(f"{action.instruction.text}: {error}") from error
