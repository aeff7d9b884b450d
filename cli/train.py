"""`python run.py train`: the command itself is in training/commands.py."""


def main(arguments):
    from ..training import commands  # needs torch, which a bare Python that asks for --help may lack

    return commands.train(arguments)
