"""`python run.py train`: the command itself is in training/train.py."""


def main(arguments):
    from ..training import train  # needs torch, which a bare Python that asks for --help may lack

    return train.train(arguments)
