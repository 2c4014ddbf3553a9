"""Studies of the method itself. Each is a command and not a stage: `dvc repro` doesn't run it, since it takes many
trainings. Its results are committed under metrics/.
"""
