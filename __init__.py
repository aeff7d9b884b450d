"""Line Art Colorize: line art extraction and colorization as native ComfyUI nodes."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    from .nodes import LineArtColorize

    return LineArtColorize()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
