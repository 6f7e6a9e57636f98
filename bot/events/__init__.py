"""Events: what systems outside tell us, once it is proven who does, becomes pages, proposals and series."""
