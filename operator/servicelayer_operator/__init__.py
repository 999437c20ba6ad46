"""The Neo Service Layer operator: reconciles ServiceLayer resources."""
