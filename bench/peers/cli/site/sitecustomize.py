"""The vendor's command line trusts the authorities of certifi and no others, and speaks TLS alone; the simulated cloud's
authority is made anew at each start. So certifi is told where it is; nothing of the vendor's is changed."""

import os

import certifi

certifi.where = lambda: os.environ["REQUESTS_CA_BUNDLE"]
