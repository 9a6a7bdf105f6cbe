"""How a couple dances: sizes, angles and delays, drawn at random within what people do."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DancerStyle:
    """One dancer's way of moving. Metres, radians, seconds."""

    step_m: float = 0.34
    """Length of a break step of the basic."""
    spread: float = 0.12
    """Scatter of the feet around their places, in step lengths."""
    stance_m: float = 0.19
    """Between the two feet standing."""
    turnout_rad: float = 0.14
    """How far each foot points outwards."""
    crouch_m: float = 0.05
    """How far the pelvis is below its rest height."""
    bounce_m: float = 0.008
    """Vertical dip with each beat."""
    hip_roll_rad: float = 0.12
    """Drop of the free hip when the weight has settled on the other leg."""
    hip_yaw_rad: float = 0.14
    """Turn of the pelvis towards the standing leg (Cuban motion)."""
    counter: float = 0.8
    """How much of the hip's motion the upper body takes back; 1 keeps the shoulders still."""
    lean_rad: float = 0.04
    """Forward lean of the upper body; negative leans back."""
    commit: float = 0.72
    """Share of the weight that goes onto a stepping foot."""
    lift_m: float = 0.05
    """Height of a swinging foot."""
    heel_rad: float = 0.45
    """Heel lift when a foot leaves the floor."""
    swing_s: float = 0.30
    """Longest time a foot is in the air for a step."""
    delay_s: float = 0.0
    """Feet land this much after the beat."""
    jitter_s: float = 0.008
    """Spread of single landings."""
    arm_height_m: float = -0.28
    """Free hands, relative to the shoulders."""
    arm_reach_m: float = 0.22
    """Free hands, ahead of the shoulders."""
    arm_spread_m: float = 0.12
    """Free hands, outside of the shoulders."""
    arm_swing_m: float = 0.08
    """How far the free hands swing with the steps."""
    elbow_out: float = 0.5
    """0 keeps the elbows at the ribs, 1 lifts them aside."""
    gaze: float = 0.8
    """How much of the way the head turns to the partner."""
    noise: float = 1.0
    """Strength of slow unplanned motion."""
    taps: bool = False
    """Whether the free foot taps on 4 and 8."""


@dataclass(frozen=True)
class CoupleStyle:
    """How two dancers dance together."""

    leader: DancerStyle = DancerStyle()
    follower: DancerStyle = DancerStyle(delay_s=0.03)
    closed_m: float = 0.52
    """Pelvis to pelvis in closed hold."""
    open_m: float = 0.72
    """Pelvis to pelvis when only hands are held."""
    apart_m: float = 1.15
    """Pelvis to pelvis when nothing is held."""
    hand_height_m: float = 1.06
    """Height of hands that are held low."""
    frame_height_m: float = 1.30
    """Height of the hands held aside in closed hold."""
    turning_rad: float = 0.3
    """How far the couple turns in one figure of 8 counts, to its left."""
    travel_m: float = 0.1
    """How far the couple drifts in one figure."""
    opening_rad: float = 0.3
    """How far the dancers turn from facing each other in open hold, at random, in half a figure."""
    turns: float = 1.0
    """How much they like figures with turns; 0 dances none."""


def draw_style(rng: np.random.Generator, *, tempo_bpm: float = 180.0) -> CoupleStyle:
    """A couple at random. Steps are shorter at a fast tempo, as people's are."""
    size = float(np.clip(180.0 / tempo_bpm, 0.75, 1.15))
    lag = float(rng.uniform(0.02, 0.07))
    shared_step = rng.uniform(0.34, 0.64) * size
    return CoupleStyle(
        # The pair keeps the beat together: the lead slightly early, the follower slightly late.
        leader=_draw_dancer(rng, shared_step, -0.3 * lag, energy=rng.uniform(0.6, 1.2), lean_rad=0.07),
        follower=_draw_dancer(
            rng, shared_step * rng.uniform(0.9, 1.15), 0.7 * lag, energy=rng.uniform(0.9, 1.6), lean_rad=-0.03
        ),
        closed_m=float(rng.uniform(0.54, 0.64)),
        open_m=float(rng.uniform(0.68, 1.02)),
        apart_m=float(rng.uniform(0.95, 1.35)),
        hand_height_m=float(rng.uniform(1.02, 1.2)),
        frame_height_m=float(rng.uniform(1.2, 1.38)),
        turning_rad=float(rng.normal(0.15, 0.3)),
        travel_m=float(rng.uniform(0.0, 0.3)),
        opening_rad=float(rng.uniform(0.15, 0.7)),
        turns=float(rng.uniform(0.6, 5.0)),
    )


def _draw_dancer(
    rng: np.random.Generator, step_m: float, delay_s: float, *, energy: float, lean_rad: float
) -> DancerStyle:
    return DancerStyle(
        step_m=float(step_m),
        spread=float(rng.uniform(0.05, 0.22)),
        stance_m=float(rng.uniform(0.15, 0.28)),
        turnout_rad=float(rng.uniform(0.02, 0.3)),
        crouch_m=float(rng.uniform(0.005, 0.045)),
        bounce_m=float(rng.uniform(0.0, 0.016)),
        hip_roll_rad=float(rng.uniform(0.07, 0.17) * energy),
        hip_yaw_rad=float(rng.uniform(0.07, 0.18) * energy),
        counter=float(rng.uniform(0.6, 1.2)),
        lean_rad=float(rng.normal(lean_rad, 0.04)),
        commit=float(rng.uniform(0.70, 0.88)),
        lift_m=float(rng.uniform(0.03, 0.09)),
        heel_rad=float(rng.uniform(0.35, 0.85)),
        swing_s=float(rng.uniform(0.28, 0.42)),
        delay_s=float(delay_s),
        jitter_s=float(rng.uniform(0.0, 0.01)),
        arm_height_m=float(rng.uniform(-0.34, -0.18)),
        arm_reach_m=float(rng.uniform(0.14, 0.30)),
        arm_spread_m=float(rng.uniform(0.04, 0.22)),
        arm_swing_m=float(rng.uniform(0.04, 0.14)),
        elbow_out=float(rng.uniform(0.25, 0.9)),
        gaze=float(rng.uniform(0.6, 0.95)),
        noise=float(rng.uniform(0.6, 1.6)),
        taps=bool(rng.random() < 0.35),
    )
