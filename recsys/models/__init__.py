from .base import Recommender, create, load, register, registry
