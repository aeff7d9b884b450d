"""Curves that figures are drawn with: polygons and polylines (N, 2) in picture units."""

import numpy as np

TAU = 2 * np.pi


def smooth(points, samples=48, closed=True):
    """Catmull-Rom curve through points (N, 2), as a polygon or polyline of about `samples` points."""
    points = np.asarray(points, np.float32)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([points[:1], points, points[-1:]])
    per_piece = max(2, samples // (len(padded) - 3))
    t = np.linspace(0, 1, per_piece, endpoint=False)[:, None, None]
    p0, p1, p2, p3 = (padded[i : len(padded) - 3 + i][None] for i in range(4))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    curve = curve.transpose(1, 0, 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def blob(rng, centre, radius, roughness=0.25, points=None):
    """Closed curve around a centre whose radius wobbles; `radius` may be a pair."""
    angle = np.linspace(0, TAU, points or rng.integers(6, 12), endpoint=False) + rng.uniform(0, TAU)
    wobble = 1 + roughness * rng.uniform(-1, 1, len(angle))
    return smooth(centre + np.stack([np.cos(angle), np.sin(angle)], 1) * wobble[:, None] * radius)


def ellipse(centre, radius, samples=28):
    angle = np.linspace(0, TAU, samples, endpoint=False)
    return np.asarray(centre) + np.stack([np.cos(angle), np.sin(angle)], 1) * radius


def strip(spine, widths):
    """Closed outline around a polyline (N, 2) with a half width at each point."""
    spine = np.asarray(spine, np.float32)
    tangent = np.gradient(spine, axis=0)
    normal = tangent[:, ::-1] * (1, -1) / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9)
    side = normal * np.asarray(widths)[:, None]
    return np.concatenate([spine + side, (spine - side)[::-1]])


def lock(rng, root, tip, width, bend):
    """A tapered, bent strip: a lock of hair, a tail, a ribbon, a blade of grass."""
    root, tip = np.asarray(root), np.asarray(tip)
    t = np.linspace(0, 1, 9)[:, None]
    across = (tip - root)[::-1] * (1, -1)
    sway = np.sin(t * np.pi * rng.choice([1, 1, 1.6])) * bend
    return strip(root + (tip - root) * t + across * sway, width * (1 - t[:, 0]) ** rng.uniform(0.4, 0.9) + 1e-3)


def limb(joints, widths):
    """A smooth tube through joints: an arm, a leg, a sleeve."""
    spine = smooth(joints, 14, closed=False)
    at = np.linspace(0, 1, len(spine))
    return strip(spine, np.interp(at, np.linspace(0, 1, len(widths)), widths))


def polygon(rng, centre, radius, corners):
    angle = np.sort(rng.uniform(0, TAU, corners))
    return np.asarray(centre) + np.stack([np.cos(angle), np.sin(angle)], 1) * radius


def turned(points, pivot, angle):
    """Points (N, 2) rotated about a pivot by an angle in radians."""
    c, s = np.cos(angle), np.sin(angle)
    return (points - pivot) @ np.array([[c, s], [-s, c]]) + pivot


class Pose:
    """Places a figure's own coordinates (about -1..1) in the picture."""

    def __init__(self, centre, size, angle=0.0, flip=1):
        c, s = np.cos(angle), np.sin(angle)
        self.matrix = size * np.array([[c, s], [-s, c]]) * np.array([[flip], [1]])
        self.centre, self.size = np.asarray(centre), size

    def __call__(self, points):
        return np.asarray(points) @ self.matrix + self.centre

    def arm(self, side, shoulder, elbow, hand):
        """Where a figure's arm is held, side -1 or 1."""
        return elbow, hand
