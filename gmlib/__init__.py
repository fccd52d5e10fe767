"""gmlib: deep generative models, written to be read, tested against exact laws.

The package behind the book *Generative Models, Live*. Conventions that hold everywhere:

- batch first, event dimensions last; log-densities in nats, summed over the event;
- the second argument of a normal law is a variance (or a covariance);
- data live at :math:`t = 0` and noise at :math:`t = 1`;
- whatever draws random numbers takes ``generator=``; the same seed gives the same numbers on one device;
- bad input raises ``ValueError`` or ``TypeError`` and names the argument.

Importing ``gmlib`` imports no submodule: ``from gmlib.vae import VAE`` loads what it needs.
"""

__version__ = "0.1.0.dev0"
