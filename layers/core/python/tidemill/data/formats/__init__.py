"""What uploaded files are, and how they become blocks of rows: CSV, JSON Lines and Parquet, compressed or not."""
