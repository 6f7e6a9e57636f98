"""The agents' SDK: what a program needs to ask before it acts. Its public face is `watchkeeper` itself."""
