"""Rest of a limp body on the ground: Newton's method on the energy of weight, support, muscles and flesh.

Energies are in units of the body's weight times a metre, so that nothing depends on its mass.
"""

from dataclasses import dataclass

import numpy as np

from infantsynth.scene.chain import Chain, Posed, State
from infantsynth.scene.flesh import Flesh

Array = np.ndarray

_FLESH = 150.0  # stiffness of flesh against flesh, weights per m and skin point
_STEPS = 40
_UP = np.array([0.0, 0.0, 1.0])
_PLANT = 20.0  # weights per m that draw a planted part to the ground
_SKIN = 0.001  # m: softness of the onset of contact, so that the search feels the ground before it is there
_ENOUGH = 2e-6  # m: gain of potential energy per weight at which the search stops
_LONGEST = np.array([0.03, 0.3])  # most that height (m) and angles (rad) change in one step


@dataclass(frozen=True)
class Forces:
    """What acts on the body besides its weight.

    ground: stiffness of the ground, weights per m when all skin touched it. tone: (M,) stiffness of the moving
    joints towards their first angles, weights x m per rad. upright: that of the whole body's orientation.
    poise: (weights per m) draws the centre of mass over the middle of the support, 0 for none.
    planted: (L,) parts of the body that are put on the ground: the lowest point of each is drawn to it.
    """

    ground: float
    tone: Array
    upright: float
    poise: float
    planted: Array


class Equilibrium:
    """The energy of one body over a flat ground at height 0, its derivative, and the way down."""

    def __init__(self, chain: Chain, flesh: Flesh, forces: Forces, first: State) -> None:
        self.chain, self.flesh, self.forces, self.first = chain, flesh, forces, first
        self.tone = np.repeat(forces.tone, 3)
        self.ground = forces.ground * chain.skin.areas
        self.room = flesh.room(chain)
        self.bearing = chain.skin.masses  # shares of the skin points in the support, renewed by each solve

    def solve(self, state: State, steps: int = _STEPS) -> State:
        """Go down from a state until nothing is gained; damped Gauss-Newton with limits as bounds."""
        damping = 1e-3
        posed = self.place(state)
        self.bearing = self._bearing(posed)
        energy = self.energy(state, posed)
        for _ in range(steps):
            gradient, hessian = self.slopes(state, posed)
            free = self._free(state, gradient)
            for attempt in range(8):  # noqa: B007 - read after the loop
                step = np.zeros_like(gradient)
                system = hessian[np.ix_(free, free)] + damping * np.eye(free.sum())
                step[free] = -np.linalg.solve(system, gradient[free])
                trial = self.chain.move(state, _shorten(step))
                trial_posed = self.place(trial)
                trial_energy = self.energy(trial, trial_posed)
                if trial_energy < energy:
                    break
                damping *= 10
            else:
                return state
            gain, state, posed, energy = energy - trial_energy, trial, trial_posed, trial_energy
            damping = damping if attempt else max(damping / 4, 1e-5)
            if gain < _ENOUGH:
                return state
        return state

    def place(self, state: State) -> Posed:
        """The skin of a state."""
        return self.chain.place(state.angles, state.root, state.position)

    def energy(self, state: State, posed: Posed) -> float:
        """Energy of a state, weight x m."""
        sunk, _ = _sunk(posed.points[:, 2])
        depth, _, _, _ = self.flesh.depths(self.chain, posed, self.room)
        bent = (state.angles - self.first.angles).ravel()
        lean = self._lean(state)
        off = self._off_balance(posed)
        return float(
            self.chain.skin.masses @ posed.points[:, 2]
            + self.ground @ sunk**2 / 2
            + _FLESH / 2 * (depth**2).sum()
            + (self.tone * bent) @ bent / 2
            + self.forces.upright / 2 * (lean @ lean)
            + self.forces.poise / 2 * (off @ off)
            + _PLANT / 2 * (posed.points[self._soles(posed), 2] ** 2).sum()
        )

    def slopes(self, state: State, posed: Posed) -> tuple[Array, Array]:
        """Gradient (D,) and Gauss-Newton Hessian (D, D) of the energy."""
        chain = self.chain
        levers = chain.levers(posed, state.angles)
        weight = self._mean_derivative(posed, levers, _UP)
        low = np.flatnonzero((posed.points[:, 2] < 6 * _SKIN) & (self.ground > 0))
        stiff = self.ground[low]
        sunk, share = _sunk(posed.points[low, 2])
        touch = chain.derivative(
            posed, levers, posed.points[low], chain.skin.carried[low], np.tile(_UP, (len(low), 1))
        )
        depth, inward = self.flesh.push(chain, posed, levers, self.room)
        gradient = weight - (stiff * sunk * share) @ touch + _FLESH * depth @ inward
        hessian = (touch.T * (stiff * share)) @ touch + _FLESH * inward.T @ inward
        soles = self._soles(posed)
        tread = chain.derivative(
            posed, levers, posed.points[soles], chain.skin.carried[soles], np.tile(_UP, (len(soles), 1))
        )
        gradient += _PLANT * posed.points[soles, 2] @ tread
        hessian += _PLANT * tread.T @ tread
        gradient[3:] += self.tone * (state.angles - self.first.angles).ravel()
        gradient[1:3] += self.forces.upright * self._lean(state)
        hessian[np.diag_indices(len(hessian))] += np.concatenate(
            [[0.0], [self.forces.upright] * 2, self.tone]
        )
        if self.forces.poise:
            off = self._off_balance(posed)
            for axis in (0, 1):
                sway = self._mean_derivative(posed, levers, np.eye(3)[axis]) - self._support_derivative(
                    posed, levers, np.eye(3)[axis]
                )
                gradient += self.forces.poise * off[axis] * sway
                hessian += self.forces.poise * np.outer(sway, sway)
        return gradient, hessian

    def _mean_derivative(self, posed: Posed, levers: Array, along: Array) -> Array:
        """How the centre of mass moves along a direction with the state, (D,)."""
        return self._weighted_derivative(posed, levers, along, self.chain.skin.masses)

    def _support_derivative(self, posed: Posed, levers: Array, along: Array) -> Array:
        return self._weighted_derivative(posed, levers, along, self.bearing)

    def _weighted_derivative(self, posed: Posed, levers: Array, along: Array, shares: Array) -> Array:
        held = self.chain.skin.carried * shares[:, None]
        arms = held.T @ posed.points - held.sum(axis=0)[:, None] * posed.joints[self.chain.moving.moving]
        bent = np.einsum("mad,md->ma", levers, np.cross(arms, along)).ravel()
        middle = shares @ posed.points
        return np.concatenate([along[2:], np.cross(middle - posed.joints[0], along)[:2], bent])

    def _bearing(self, posed: Posed) -> Array:
        """Shares (P,) of the skin points that touch the ground, summing to 1, as much for each part of the body."""
        touching = (posed.points[:, 2] < 2 * _SKIN) & (self.ground > 0)
        parts = self.chain.skin.parts
        count = np.bincount(parts[touching], minlength=parts.max() + 1)
        shares = touching / np.maximum(count[parts], 1)
        return shares / max(shares.sum(), 1e-9)

    def _soles(self, posed: Posed) -> Array:
        """The lowest skin point of each planted part, (L,) indices."""
        return np.where(
            self.chain.skin.parts == self.forces.planted[:, None], posed.points[:, 2], np.inf
        ).argmin(axis=1)

    def _off_balance(self, posed: Posed) -> Array:
        """Centre of mass less the middle of the support, seen from above, (2,) m."""
        return ((self.chain.skin.masses - self.bearing) @ posed.points)[:2]

    def _lean(self, state: State) -> Array:
        """Turn about world x and y since the first orientation, (2,) rad, for small turns."""
        turned = state.root @ self.first.root.T
        return np.array([turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0]]) / 2

    def _free(self, state: State, gradient: Array) -> Array:
        """Which of the D variables may move: not those that push against their limits."""
        joints = self.chain.moving
        slope = gradient[3:].reshape(-1, 3)
        stuck = ((state.angles >= joints.hi) & (slope < 0)) | ((state.angles <= joints.lo) & (slope > 0))
        return np.concatenate([[True] * 3, ~stuck.ravel()])


def _sunk(height: Array) -> tuple[Array, Array]:
    """How deep points at a height (N,) m are in the ground, with a soft onset, and the slope 0..1 of that."""
    share = 1 / (1 + np.exp(np.clip(height / _SKIN, -50, 50)))
    return _SKIN * np.logaddexp(0, -height / _SKIN), share


def _shorten(step: Array) -> Array:
    """The step with height and angles kept within what the linear picture is good for."""
    longest = max(abs(step[0]) / _LONGEST[0], np.abs(step[1:]).max() / _LONGEST[1], 1.0)
    return step / longest
