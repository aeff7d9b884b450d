"""Characters from head to foot. A figure's own units: the head is about 1 high each way from its centre, y down."""

import numpy as np

from .canvas import Paint
from .curves import Pose, blob, ellipse, limb, lock, smooth
from .palette import any_colour, hair_colour, hsv, skin_colour


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
        elbow, hand = pose.arm(side, (side * shoulder * 0.85, 1.5), elbow, hand)
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


def place(rng, aspect):
    """Where a figure stands and how large it is: anything from a close-up of the face to a small whole body."""
    size = rng.choice([rng.uniform(0.3, 0.6), rng.uniform(0.14, 0.3), rng.uniform(0.06, 0.14)], p=[0.35, 0.4, 0.25])
    centre = (aspect[0] * rng.uniform(0.2, 0.8), aspect[1] * rng.uniform(0.15, 0.55))
    return Pose(centre, size, rng.normal(0, 0.25), rng.choice([-1, 1]))


def draw_character(canvas, style, pose):
    """One figure, all of it decided by the canvas' rng but for its pose."""
    rng = canvas.rng
    size = pose.size
    skin, hair = skin_colour(rng), hair_colour(rng)
    ink = rng.uniform(0.8, 1.2)
    if rng.random() < 0.15:
        wing = any_colour(rng)
        for side in (-1, 1):
            cape = lock(rng, (side * 0.6, 1.4), (side * rng.uniform(1.2, 2.5), rng.uniform(-0.5, 4)), 0.6, side * 0.2)
            canvas.shape(pose(cape), style.paint(wing, size), ink)
    draw_body(canvas, style, pose, skin, ink)
    draw_head(canvas, style, pose, skin, hair, ink)
