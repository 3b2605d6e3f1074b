"""A real Kafka for the tests, and the mock cluster of librdkafka."""
