"""Sampler `bayesian`: Gaussian processes over the declared space, from the first trial on."""

from tuner.samplers.bayesian.sampler import BayesianSampler as BayesianSampler
