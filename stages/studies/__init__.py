"""Questions about the method itself. Each is a command that calls the stages and is no stage: `dvc repro` doesn't run
it, since it takes many trainings; what it finds is committed under metrics/.
"""
