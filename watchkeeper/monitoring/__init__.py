"""What is shipped for Prometheus and Grafana: alert rules and dashboards, made from code."""
