"""Procedural pictures: characters, objects and backgrounds from random curves, free of anybody's art.

`draw_scene` is the one entry. All shapes live in picture units (short side 1, y down).
"""

import colorsys

import numpy as np

from .canvas import Canvas, Paint, smooth_noise

TAU = 2 * np.pi


# --- curves -------------------------------------------------------------------------------------------------


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


class Pose:
    """Places a figure's own coordinates (about -1..1) in the picture."""

    def __init__(self, centre, size, angle=0.0, flip=1):
        c, s = np.cos(angle), np.sin(angle)
        self.matrix = size * np.array([[c, s], [-s, c]]) * np.array([[flip], [1]])
        self.centre, self.size = np.asarray(centre), size

    def __call__(self, points):
        return np.asarray(points) @ self.matrix + self.centre


# --- colours ------------------------------------------------------------------------------------------------


def hsv(h, s, v):
    return np.array(colorsys.hsv_to_rgb(h % 1, min(max(s, 0), 1), min(max(v, 0), 1)), np.float32)


def any_colour(rng):
    """Mostly muted colours, some vivid, some near grey: the spread of painted pictures, not of a colour wheel."""
    kind = rng.random()
    if kind < 0.2:
        return hsv(rng.random(), rng.uniform(0, 0.12), rng.choice([rng.uniform(0.85, 1), rng.uniform(0.05, 0.8)]))
    if kind < 0.5:
        return hsv(rng.uniform(0, 0.17), rng.uniform(0.15, 0.7), rng.uniform(0.3, 1))
    return hsv(rng.random(), rng.beta(2, 2.5), rng.beta(3, 1.8))


def skin_colour(rng):
    light = rng.beta(4, 1.2)
    return hsv(rng.uniform(0.03, 0.09), 0.55 - 0.42 * light + rng.uniform(-0.05, 0.08), 0.35 + 0.64 * light)


def hair_colour(rng):
    return (
        any_colour(rng)
        if rng.random() < 0.5
        else hsv(rng.uniform(0.02, 0.13), rng.uniform(0.2, 0.7), rng.beta(1.5, 1.5))
    )


def shadow_of(rng, colour):
    """Darker, a little more saturated, hue pulled towards blue or red."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    return hsv(h + rng.uniform(-0.04, 0.04), s + rng.uniform(0, 0.2), v * rng.uniform(0.55, 0.9))


class Style:
    """What one artist would keep the same over a picture: how things are lit and shaded."""

    def __init__(self, rng):
        angle = rng.uniform(0, TAU)
        self.rng = rng
        self.light = np.array([np.cos(angle), np.sin(angle)])
        self.cel = rng.random() < 0.7
        self.softness = rng.choice([0, 0, 0, rng.uniform(0.01, 0.08)])
        self.gradient = rng.random() < 0.35
        self.texture = rng.choice([0, 0, 0, rng.uniform(0.01, 0.06)])

    def paint(self, colour, size=0.3, **kw):
        """A Paint in this style for a layer about `size` picture units wide."""
        rng = self.rng
        kw.setdefault("texture", self.texture)
        if self.cel and rng.random() < 0.8:
            depth = size * rng.uniform(0.05, 0.4)
            kw.setdefault("shadow", shadow_of(rng, colour))
            kw.setdefault("light", tuple(self.light * depth))
            kw.setdefault("softness", self.softness)
        if self.gradient and rng.random() < 0.4:
            kw.setdefault("second", np.clip(colour + rng.uniform(-0.3, 0.3, 3), 0, 1))
            kw.setdefault("direction", (0.0, 1.0) if rng.random() < 0.6 else (1.0, 0.0))
        return Paint(np.asarray(colour, np.float32), **kw)


# --- things -------------------------------------------------------------------------------------------------


def draw_hair(canvas, style, pose, colour, count, length, spread, width, ink):
    """A fan of locks from the crown: behind the head when long, a fringe when short."""
    rng = canvas.rng
    for angle in rng.permutation(np.linspace(-spread, spread, count)):
        root = np.array([0.75 * np.sin(angle), -0.35 - 0.6 * np.cos(angle)])
        reach = length * rng.uniform(0.75, 1.15)
        tip = root + reach * np.array([0.5 * np.sin(angle) + rng.uniform(-0.15, 0.15), 0.9])
        shape = lock(rng, root * (0.9, 1), tip, width * rng.uniform(0.7, 1.3), rng.uniform(-0.2, 0.2))
        canvas.shape(pose(shape), style.paint(colour, pose.size * 0.3), ink * rng.choice([1, 1, 0.5]))


def draw_eye(canvas, style, pose, centre, size, iris, ink):
    rng = canvas.rng
    height = size * rng.uniform(0.6, 1.3)
    white = blob(rng, centre, (size, height), 0.08, 8)
    canvas.shape(pose(white), Paint(hsv(0.1, 0.02, rng.uniform(0.9, 1))), ink * 0.5)
    inside = canvas.layers
    look = np.asarray(centre) + (rng.uniform(-0.15, 0.15) * size, 0)
    canvas.shape(
        pose(ellipse(look, (size * 0.6, height * 0.85))),
        Paint(iris, second=np.clip(iris * 1.6, 0, 1), direction=(0.0, 1.0)),
        ink * 0.7,
    )
    canvas.shape(pose(ellipse(look, (size * 0.25, height * 0.4), 12)), Paint(iris * 0.15), 0)
    canvas.shape(pose(ellipse(look + (-0.2 * size, -0.35 * height), size * 0.22, 12)), Paint(np.ones(3)), 0)
    lid = np.array(centre) + np.array([[-1.15, 0.1], [-0.6, -0.85], [0.2, -1.05], [1.15, -0.1]]) * (
        size,
        height,
    )
    canvas.line(pose(smooth(lid, 14, False)), ink * rng.uniform(1.2, 2.2), taper=False)
    brow = np.array(centre) + np.array([[-1.1, -1.7], [0, -2.1], [1.1, -1.6]]) * (size, height)
    canvas.line(pose(smooth(brow, 10, False)), ink)
    return inside


def draw_head(canvas, style, pose, skin, hair, ink):
    """Face with the features that a close-up needs, hair in front and behind."""
    rng = canvas.rng
    iris = any_colour(rng)
    if rng.random() < 0.85:
        draw_hair(canvas, style, pose, hair, rng.integers(4, 11), rng.uniform(0.8, 3), 1.9, 0.35, ink)
    chin, cheek = rng.uniform(0.85, 1.15), rng.uniform(0.55, 0.75)
    turn = rng.uniform(-0.2, 0.2)
    face = [
        (-cheek, -0.5),
        (-cheek, 0.2),
        (-0.35, 0.7),
        (turn, chin),
        (0.35, 0.7),
        (cheek, 0.2),
        (cheek, -0.5),
    ]
    face += [(0.3, -0.95), (-0.3, -0.95)]
    for side in (-1, 1):
        if rng.random() < 0.5:
            ear = blob(rng, (side * cheek, 0.1), (0.12, 0.22), 0.1, 7)
            canvas.shape(pose(ear), style.paint(skin, pose.size * 0.1), ink)
    canvas.shape(pose(smooth(face)), style.paint(skin, pose.size * 0.6), ink)
    face_label = canvas.layers
    size, gap = rng.uniform(0.12, 0.22), rng.uniform(0.28, 0.38)
    for side in (-1, 1):
        draw_eye(canvas, style, pose, (turn * 0.6 + side * gap, 0.12), size, iris, ink)
    canvas.line(pose([(turn, 0.35), (turn + 0.04, 0.45)]), ink * 0.8, False, face_label)
    mouth_width = rng.uniform(0.06, 0.2)
    if rng.random() < 0.35:
        mouth = ellipse((turn, 0.65), (mouth_width, mouth_width * rng.uniform(0.3, 1)), 14)
        canvas.shape(pose(mouth), Paint(hsv(0.98, 0.6, rng.uniform(0.4, 0.8))), ink)
    else:
        curve = np.array([(-1, 0), (0, rng.uniform(-0.3, 0.5)), (1, 0)]) * mouth_width + (turn, 0.62)
        canvas.line(pose(smooth(curve, 8, False)), ink, True, face_label)
    if rng.random() < 0.3:
        blush = Paint(np.clip(skin * (1, 0.8, 0.8), 0, 1))
        for side in (-1, 1):
            canvas.shape(pose(ellipse((turn + side * gap * 1.3, 0.42), (0.13, 0.07), 12)), blush, 0)
    if rng.random() < 0.92:
        cap = [(-0.8, 0.1), (-0.75, -0.6), (-0.35, -1.1), (0.35, -1.1), (0.75, -0.6), (0.8, 0.1), (0.5, -0.4)]
        cap += [(0.2, -0.35), (0, -0.5), (-0.2, -0.35), (-0.5, -0.4)]
        canvas.shape(pose(smooth(cap)), style.paint(hair, pose.size * 0.5), ink)
        label = canvas.layers
        draw_hair(canvas, style, pose, hair, rng.integers(3, 9), rng.uniform(0.35, 0.8), 1.2, 0.22, ink)
        for _ in range(rng.integers(0, 7)):
            x = rng.uniform(-0.6, 0.6)
            strand = [(x, rng.uniform(-1, -0.7)), (x * 1.1, -0.5), (x * 1.2, rng.uniform(-0.3, 0))]
            canvas.line(pose(smooth(strand, 8, False)), ink * 0.6, True, label)
        if rng.random() < 0.3:
            shine = Paint(np.clip(hair + rng.uniform(0.1, 0.4), 0, 1))
            canvas.shape(pose(blob(rng, (0, -0.75), (0.45, 0.07), 0.3, 9)), shine, 0)
    if rng.random() < 0.25:
        draw_hat(canvas, style, pose, ink)


def draw_hat(canvas, style, pose, ink):
    rng = canvas.rng
    colour = any_colour(rng)
    crown = blob(rng, (0, -1.05), (0.75, 0.55), 0.12, 9)
    canvas.shape(pose(crown), style.paint(colour, pose.size), ink)
    brim = ellipse((0, -0.75), (rng.uniform(0.8, 1.4), rng.uniform(0.1, 0.25)))
    canvas.shape(pose(brim), style.paint(colour if rng.random() < 0.6 else any_colour(rng), pose.size), ink)


def draw_folds(canvas, pose, box, ink, label):
    """Creases of cloth inside one layer."""
    rng = canvas.rng
    (x0, y0), (x1, y1) = box
    for _ in range(rng.integers(0, 7)):
        start = np.array([rng.uniform(x0, x1), rng.uniform(y0, y1)])
        reach = np.array([rng.uniform(-0.3, 0.3), rng.uniform(0.2, 1)])
        points = smooth([start, start + reach * 0.5 + rng.uniform(-0.08, 0.08, 2), start + reach], 8, False)
        canvas.line(pose(points), ink * 0.8, True, label)


def draw_body(canvas, style, pose, skin, ink):
    """Neck to feet, in clothes; the parts below the picture's edge cost nothing."""
    rng = canvas.rng
    cloth, second, trim = any_colour(rng), any_colour(rng), any_colour(rng)
    shoulder, waist = rng.uniform(0.9, 1.35), rng.uniform(0.5, 0.9)
    hem = rng.uniform(2.6, 3.4)
    size = pose.size
    legs = [second if rng.random() < 0.7 else skin] * 2
    for side, colour in zip((-1, 1), legs, strict=True):
        knee = (side * rng.uniform(0.3, 0.6), hem + 1.3)
        foot = (side * rng.uniform(0.2, 0.9), hem + 2.6)
        canvas.shape(
            pose(limb([(side * 0.32, hem - 0.5), knee, foot], [0.38, 0.3, 0.2])),
            style.paint(colour, size),
            ink,
        )
        shoe = blob(rng, np.add(foot, (side * 0.15, 0.1)), (0.35, 0.2), 0.1, 7)
        canvas.shape(pose(shoe), style.paint(trim, size * 0.3), ink)
    canvas.shape(pose(limb([(0, 0.7), (0, 1.35)], [0.25, 0.3])), style.paint(skin, size * 0.4), ink)
    torso = [
        (-shoulder, 1.35),
        (-waist, 2.3),
        (-waist * 1.1, hem),
        (waist * 1.1, hem),
        (waist, 2.3),
        (shoulder, 1.35),
    ]
    torso += [(0.3, 1.1), (0, 1.25), (-0.3, 1.1)]
    canvas.shape(pose(smooth(torso)), style.paint(cloth, size), ink)
    label = canvas.layers
    draw_folds(canvas, pose, ((-waist, 1.5), (waist, hem - 0.5)), ink, label)
    if rng.random() < 0.5:
        flare = rng.uniform(1, 2.2)
        skirt = [
            (-waist, 2.3),
            (-flare, hem + 0.8),
            (0, hem + rng.uniform(0.7, 1.1)),
            (flare, hem + 0.8),
            (waist, 2.3),
        ]
        canvas.shape(pose(smooth(skirt)), style.paint(second, size), ink)
        draw_folds(canvas, pose, ((-waist, 2.4), (waist, hem)), ink, canvas.layers)
    for side in (-1, 1):
        elbow = np.array([side * (shoulder + rng.uniform(-0.2, 0.8)), rng.uniform(1.8, 2.7)])
        hand = elbow + (rng.uniform(-1.2, 0.5) * side, rng.uniform(-1.2, 1))
        canvas.shape(pose(blob(rng, hand, 0.2, 0.2, 8)), style.paint(skin, size * 0.2), ink)
        sleeve = limb(
            [(side * shoulder * 0.85, 1.5), elbow, hand],
            [0.3, rng.uniform(0.22, 0.4), rng.uniform(0.16, 0.35)],
        )
        canvas.shape(pose(sleeve), style.paint(cloth if rng.random() < 0.75 else second, size * 0.5), ink)
        draw_folds(canvas, pose, (elbow - 0.3, elbow + 0.3), ink, canvas.layers)
    if rng.random() < 0.5:
        for side in (-1, 1):
            collar = [(0, 1.7), (side * 0.15, 1.1), (side * 0.45, 1.15), (side * rng.uniform(0.3, 0.6), 1.6)]
            canvas.shape(pose(collar), style.paint(trim, size * 0.3), ink)
    if rng.random() < 0.35:
        tie = [(-0.1, 1.4), (0.1, 1.4), (0.16, rng.uniform(1.8, 2.4)), (0, 2.5), (-0.16, 2)]
        canvas.shape(pose(tie), style.paint(any_colour(rng), size * 0.2), ink)
    for row in range(rng.integers(0, 4)):
        canvas.shape(pose(ellipse((0.02, 1.6 + row * 0.35), 0.05, 10)), Paint(trim), ink * 0.6)


def draw_character(canvas, style, aspect):
    """One figure: anything from a close-up of the face to a small whole body."""
    rng = canvas.rng
    size = rng.choice([rng.uniform(0.3, 0.6), rng.uniform(0.14, 0.3), rng.uniform(0.06, 0.14)], p=[0.35, 0.4, 0.25])
    centre = (aspect[0] * rng.uniform(0.2, 0.8), aspect[1] * rng.uniform(0.15, 0.55))
    pose = Pose(centre, size, rng.normal(0, 0.25), rng.choice([-1, 1]))
    skin, hair = skin_colour(rng), hair_colour(rng)
    ink = rng.uniform(0.8, 1.2)
    if rng.random() < 0.15:
        wing = any_colour(rng)
        for side in (-1, 1):
            cape = lock(rng, (side * 0.6, 1.4), (side * rng.uniform(1.2, 2.5), rng.uniform(-0.5, 4)), 0.6, side * 0.2)
            canvas.shape(pose(cape), style.paint(wing, size), ink)
    draw_body(canvas, style, pose, skin, ink)
    draw_head(canvas, style, pose, skin, hair, ink)


def draw_object(canvas, style, aspect):
    """One of: blob, polygon, bunch of strips, box with panels, plant, text-like marks."""
    rng = canvas.rng
    centre = np.array(aspect) * rng.uniform(0, 1, 2)
    size = rng.choice([rng.uniform(0.03, 0.12), rng.uniform(0.1, 0.4)])
    ink = rng.choice([0, 0.7, 1, 1.2], p=[0.15, 0.15, 0.5, 0.2])
    colour = any_colour(rng)
    kind = rng.integers(0, 7)
    if kind == 0:
        canvas.shape(
            blob(rng, centre, size * rng.uniform(0.5, 1, 2), rng.uniform(0, 0.5)),
            style.paint(colour, size),
            ink,
        )
    elif kind == 1:
        canvas.shape(polygon(rng, centre, size, rng.integers(3, 8)), style.paint(colour, size), ink)
    elif kind == 2:
        for _ in range(rng.integers(3, 12)):
            tip = centre + size * rng.normal(0, 1, 2)
            shade = np.clip(colour + rng.normal(0, 0.03, 3), 0, 1)
            canvas.shape(
                lock(rng, centre, tip, size * rng.uniform(0.05, 0.3), rng.uniform(-0.4, 0.4)),
                style.paint(shade, size),
                ink,
            )
    elif kind == 3:
        draw_box(canvas, style, centre, size, colour, ink)
    elif kind == 4:
        for _ in range(rng.integers(4, 14)):
            leaf = blob(rng, centre + size * rng.normal(0, 0.5, 2), size * rng.uniform(0.15, 0.4), 0.3, 7)
            canvas.shape(leaf, style.paint(np.clip(colour * rng.uniform(0.8, 1.15), 0, 1), size * 0.3), ink)
    elif kind == 5:
        for _ in range(rng.integers(2, 10)):
            points = centre + np.cumsum(rng.normal(0, size * 0.3, (rng.integers(3, 6), 2)), 0)
            canvas.line(smooth(points, 20, False), max(ink, 0.5), rng.random() < 0.7)
    else:
        rings = rng.integers(2, 5)
        for ring in range(rings):
            canvas.shape(ellipse(centre, size * (1 - ring / rings)), style.paint(any_colour(rng), size), ink)


def draw_box(canvas, style, centre, size, colour, ink):
    """A building, a window, a screen: a skewed rectangle divided in panels."""
    rng = canvas.rng
    half = size * rng.uniform(0.4, 1.5, 2)
    skew = rng.normal(0, 0.12, (2, 2)) + np.eye(2)
    corner = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    canvas.shape(centre + (corner * half) @ skew, style.paint(colour, size), ink)
    rows, columns = rng.integers(1, 5, 2)
    pane = any_colour(rng)
    if rows * columns == 1:
        return
    for row in range(rows):
        for column in range(columns):
            middle = (np.array([column + 0.5, row + 0.5]) / (columns, rows) * 2 - 1) * half
            panel = middle + corner * half / (columns, rows) * 0.75
            canvas.shape(centre + panel @ skew, style.paint(pane, size / rows), ink * 0.8)


def draw_background(canvas, style, aspect):
    """Flat paper, a gradient, or hills, floors, walls and clouds with or without ink."""
    rng = canvas.rng
    kind = rng.random()
    if kind < 0.2:
        canvas.colour[:] = 1 if rng.random() < 0.6 else any_colour(rng)
        return
    top, bottom = any_colour(rng), any_colour(rng)
    if rng.random() < 0.5:
        bottom = np.clip(top + rng.normal(0, 0.15, 3), 0, 1)
    ramp = np.linspace(0, 1, canvas.height, dtype=np.float32)[:, None, None]
    canvas.colour[:] = np.clip(top + (bottom - top) * ramp, 0, 1)
    if kind < 0.4:
        return
    ink = rng.choice([0, 0.6, 1])
    for _ in range(rng.integers(1, 5)):
        level = aspect[1] * rng.uniform(0.2, 0.95)
        x = np.linspace(-0.1, aspect[0] + 0.1, rng.integers(2, 9))
        ridge = np.stack([x, level + rng.normal(0, rng.choice([0.01, 0.06, 0.15]), len(x))], 1)
        ridge = smooth(ridge, 24, False) if rng.random() < 0.6 else ridge
        land = np.concatenate([ridge, [(aspect[0] + 0.1, aspect[1] + 0.2), (-0.1, aspect[1] + 0.2)]])
        canvas.shape(land, style.paint(any_colour(rng), 0.3), ink)
    for _ in range(rng.integers(0, 5)):
        draw_object(canvas, style, aspect)


def light_up(canvas):
    """The light of the whole picture: tint, vignette, soft glow, night."""
    rng = canvas.rng
    colour = canvas.colour
    if rng.random() < 0.35:
        colour *= (
            1 + rng.uniform(0, 0.35) * smooth_noise(rng, canvas.height, canvas.width, rng.integers(1, 4))[..., None]
        )
    if rng.random() < 0.25:
        tint = rng.uniform(0.55, 1.0, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(0.35, 0.8))
        colour *= tint.astype(np.float32)
    if rng.random() < 0.25:
        target = any_colour(rng)
        colour += (target - colour) * rng.uniform(0, 0.3)
    np.clip(colour, 0, 1, out=colour)


def draw_scene(rng, height, width):
    """A picture as a Canvas: `colour` without ink (H, W, 3), `ink` coverage (H, W), `label` map (H, W)."""
    aspect = np.array([width, height]) / min(width, height)
    canvas = Canvas(rng, height, width, line_width=rng.choice([rng.uniform(0.6, 1.3), rng.uniform(1.2, 2.5)]))
    style = Style(rng)
    draw_background(canvas, style, aspect)
    kind = rng.random()
    if kind < 0.68:
        for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
            draw_character(canvas, style, aspect)
        for _ in range(rng.integers(0, 4)):
            draw_object(canvas, style, aspect)
    else:
        for _ in range(rng.integers(6, 22)):
            draw_object(canvas, style, aspect)
    light_up(canvas)
    return canvas
