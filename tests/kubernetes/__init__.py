"""docker/kubernetes rendered, held against Kubernetes' and KEDA's schemas and our own rules."""
