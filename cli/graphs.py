"""Graphs as ComfyUI's HTTP interface takes them: {node id: {"class_type": ..., "inputs": {...}}}.

An input is a value or a link [node id, output number]. The inputs that a choice brings (DynamicCombo) are
called "choice.input". `info` is what the host says about its nodes (/object_info).
"""

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
MUTED, BYPASSED = 2, 4
EXTRA_WIDGETS = ("control_after_generate", "image_upload")  # such inputs keep a second value in the file


def node(kind, /, **inputs):
    return {"class_type": kind, "inputs": inputs}


def colorize(info, line, model, scribble=None, reference=None, resolution=0, steps=0, seed=0, flat=False):
    """Drawing, strokes and reference are names of uploaded files; strokes are where their file is not transparent.

    flat: one colour for each region of the drawing, the one that most of it got.
    """
    graph = {
        "drawing": node("LoadImage", image=line),
        "lines": node("LineExtract", image=["drawing", 0], method="none"),
        "guidance": node("ScribbleEncoder", line=["lines", 0]),
        "model": node("ColorizeModelLoader", file=model),
        "sampler": node(
            "ColorizeSampler",
            model=["model", 0],
            vae=["model", 1],
            line=["lines", 0],
            positive=["guidance", 0],
            negative=["guidance", 1],
            resolution=resolution,
            steps=steps,
            seed=seed,
        ),
        "result": node("SaveImage", images=["sampler", 1], filename_prefix="colorize"),
    }
    if scribble:
        graph["strokes"] = node("LoadImage", image=scribble)
        graph["guidance"]["inputs"].update(scribble=["strokes", 0], mask=["strokes", 1], mask_is="transparency")
    if reference:
        graph |= referred(reference)
        graph["tokens"] = node(
            "ReferenceTokens", reference=["reference", 0], positive=["guidance", 0], negative=["guidance", 1]
        )
        graph["sampler"]["inputs"].update(positive=["tokens", 0], negative=["tokens", 1])
    if flat:
        graph["flats"] = node("LineartSnapToFlats", image=["sampler", 1], line=["lines", 0], register=False)
        graph["result"]["inputs"]["images"] = ["flats", 0]
    return with_defaults(graph, info)


def correspond(info, line, network, reference, resolution=0):
    """Colours of a network that works in one pass."""
    graph = {
        "drawing": node("LoadImage", image=line),
        "lines": node("LineExtract", image=["drawing", 0], method="none"),
        **referred(reference),
        "network": node("LineartNetworkLoader", file=network),
        "sampler": node("LineartCorrespondence", network=["network", 0], line=["lines", 0], reference=["reference", 0]),
        "result": node("SaveImage", images=["sampler", 0], filename_prefix="colorize"),
    }
    if resolution:
        graph["sampler"]["inputs"]["resolution"] = resolution
    return with_defaults(graph, info)


def referred(reference):
    """The reference with its transparency, which LoadImage gives apart."""
    return {
        "opaque": node("LoadImage", image=reference),
        "reference": node("JoinImageWithAlpha", image=["opaque", 0], alpha=["opaque", 1]),
    }


def flats(info, line, scribble):
    """Exactly the strokes' colours, without a model; drawing and strokes are names of uploaded files."""
    graph = {
        "drawing": node("LoadImage", image=line),
        "strokes": node("LoadImage", image=scribble),
        "lines": node("LineExtract", image=["drawing", 0], method="none"),
        "regions": node("LineartRegions", line=["lines", 0]),
        "flats": node(
            "LineartFlatColor",
            line=["lines", 0],
            regions=["regions", 0],
            scribble=["strokes", 0],
            mask=["strokes", 1],
            mask_is="transparency",
        ),
        "result": node("SaveImage", images=["flats", 0], filename_prefix="flats"),
    }
    return with_defaults(graph, info)


def lines(info, image, method, network=None):
    """network: a file as LineartNetworkLoader names it, for the methods that draw with one."""
    graph = {
        "picture": node("LoadImage", image=image),
        "lines": node("LineExtract", image=["picture", 0], method=method),
        "result": node("SaveImage", images=["lines", 0], filename_prefix="lines"),
    }
    if network:
        graph["network"] = node("LineartNetworkLoader", file=network)
        graph["lines"]["inputs"]["network"] = ["network", 0]
    return with_defaults(graph, info)


def with_defaults(graph, info):
    """Gives every widget that a graph leaves open its default; the host itself fills in none."""
    for part in graph.values():
        inputs = part["inputs"]
        for name, kind, options in widgets(info[part["class_type"]]["input"], inputs):
            if name not in inputs:
                inputs[name] = options["default"] if "default" in options else choices(kind, options)[0]
    return graph


def from_workflow(workflow, info):
    """A graph as the browser saves it (widget values by position) as the HTTP interface takes it."""
    if (workflow.get("definitions") or {}).get("subgraphs"):
        raise ValueError("The workflow holds subgraphs, which only the browser can unfold; save it without them.")
    used = {
        part["id"]: part
        for part in workflow["nodes"]
        if part.get("mode", 0) not in (MUTED, BYPASSED) and part["type"] not in ("Note", "MarkdownNote")
    }
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"] if link[1] in used}
    graph = {}
    for number, part in used.items():
        if part["type"] not in info:
            raise ValueError(f"The workflow uses the node {part['type']}, which this ComfyUI does not have.")
        inputs = widget_values(info[part["type"]]["input"], part.get("widgets_values") or [])
        linked = {
            plug["name"]: sources[plug["link"]] for plug in part.get("inputs") or [] if plug.get("link") in sources
        }
        graph[str(number)] = node(part["type"], **(inputs | linked))
    return with_defaults(graph, info)  # a file older than a widget lacks its value, and the browser fills it in


def widget_values(schema, values):
    values, found = list(values), {}
    for name, _, options in widgets(schema, found):
        if not values:
            break
        found[name] = values.pop(0)
        if values and any(options.get(extra) for extra in EXTRA_WIDGETS):
            values.pop(0)
    return found


def widgets(schema, chosen, prefix=""):
    """Yields (name, type, options) of the widgets of a node in their order on the screen.

    chosen  values by name; looked at only after a choice was yielded, to go on with the inputs it brings
    """
    for group in ("required", "optional"):
        for name, (kind, *rest) in schema.get(group, {}).items():
            name, options = prefix + name, rest[0] if rest else {}
            if kind == DYNAMIC:
                yield name, kind, options
                branch = next((one for one in options["options"] if one["key"] == chosen.get(name)), None)
                if branch is None:
                    raise ValueError(f"There is no {name} '{chosen.get(name)}'. {one_of(kind, options)}")
                yield from widgets(branch["inputs"], chosen, f"{name}.")
            elif (kind in WIDGETS or isinstance(kind, list)) and not options.get("forceInput"):
                yield name, kind, options


def choices(kind, options):
    if isinstance(kind, list):
        return kind
    return [one["key"] if kind == DYNAMIC else one for one in options["options"]]


def one_of(kind, options):
    return f"There are: {', '.join(choices(kind, options))}."
