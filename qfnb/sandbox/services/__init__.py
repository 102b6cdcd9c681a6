"""Services, their metering and billing."""
