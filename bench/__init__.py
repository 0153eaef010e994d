"""What fine-tuning a vision model costs in GPU memory and time, measured or simulated."""

from bench.case import Case
from bench.results import Result
from bench.runner import measure
from bench.simulation.errors import SimulationError
from bench.simulation.oracles import Oracles
from bench.simulation.simulation import Simulation, simulate

__all__ = ["Case", "Oracles", "Result", "Simulation", "SimulationError", "measure", "simulate"]
