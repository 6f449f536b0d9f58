"""The models of models/, trained on Fashion-MNIST."""
