"""The front desk: one command language, one place that decides who may do what. Front-ends only translate."""
