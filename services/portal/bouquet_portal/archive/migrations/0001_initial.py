"""Creates the table of the last documents that gateways sent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ArchivedDocument",
            fields=[
                ("url", models.CharField(max_length=500, primary_key=True, serialize=False)),
                ("body", models.BinaryField()),
                ("read_at", models.DateTimeField()),
            ],
        ),
    ]
